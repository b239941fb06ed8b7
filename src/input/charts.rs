//! Finds the Helm charts that files are templates of.

use super::files::shown;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The files below the `templates` folder of a chart, as they are shown, each with the folder of its chart. A folder of
/// that name is one of a chart if `Chart.yaml` lies beside it.
#[must_use]
pub fn templates(paths: &[PathBuf]) -> BTreeMap<String, String> {
    let mut charts: BTreeMap<PathBuf, bool> = BTreeMap::new();
    let mut found = BTreeMap::new();
    for path in paths {
        let folders =
            path.ancestors().skip(1).filter(|folder| folder.file_name().is_some_and(|name| name == "templates"));
        // The outermost chart renders those within.
        let outermost = folders.filter_map(Path::parent).filter(|chart| {
            let is_chart = || chart.join("Chart.yaml").is_file();
            charts.get(*chart).copied().unwrap_or_else(|| *charts.entry((*chart).to_owned()).or_insert_with(is_chart))
        });
        if let Some(chart) = outermost.last() {
            let folder = shown(chart);
            found.insert(shown(path), if folder.is_empty() { ".".to_owned() } else { folder });
        }
    }
    found
}
