//! `meshctl completion`: the scripts of clap, with names of contexts, namespaces and pods where bash and zsh can ask for them.

use super::{Exit, Io};
use crate::cli::{Cli, Complete};
use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

/// Asks this program for names, and offers those that continue the word. A word that bash has cut at a colon is put
/// together again.
const BASH: &str = r#"_meshctl_names() {
    local word="${COMP_LINE:0:COMP_POINT}" name
    word="${word##*[[:space:]]}"
    COMPREPLY=()
    while IFS= read -r name; do
        [[ ${name} == "${word}"* ]] && COMPREPLY+=("${name#"${word%"$1"}"}")
    done < <("${COMP_WORDS[0]}" __complete "$2" -- "${COMP_WORDS[@]:1}" 2>/dev/null)
}

"#;

/// The same for zsh.
const ZSH: &str = r#"
_meshctl_names() {
    local -a names
    names=(${(f)"$(meshctl __complete $1 -- "${(@Q)words}" 2>/dev/null)"})
    compadd -a names
}
_meshctl_contexts() { _meshctl_names contexts }
_meshctl_namespaces() { _meshctl_names namespaces }
_meshctl_pods() { _meshctl_names pods }
"#;

/// Flags whose values this program can name.
const FLAGS: &[(&str, &str)] = &[
    ("--context", "contexts"),
    ("--namespace", "namespaces"),
    ("-n", "namespaces"),
    ("--istio-namespace", "namespaces"),
    ("-i", "namespaces"),
    ("--root-namespace", "namespaces"),
    ("--from", "pods"),
];

/// The script of a shell.
#[must_use]
pub fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "meshctl", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        Shell::Bash => bash(&script),
        Shell::Zsh => zsh(&script),
        _ => script,
    }
}

/// After the label of a flag stands what completes its value: files, so far. Before the options of `authz-check` its pod.
fn bash(script: &str) -> String {
    let mut out = String::from(BASH);
    let mut names = None;
    let mut pods = false;
    let (mut authz, mut esac) = (false, false);
    for line in script.lines() {
        let word = line.trim();
        if let Some(label) = word.strip_suffix(')').filter(|label| !label.contains('(')) {
            names = FLAGS.iter().find(|(flag, _)| *flag == label).map(|(_, names)| *names);
            authz = authz && !label.starts_with("meshctl__") || label == "meshctl__subcmd__authz__subcmd__check";
            pods = pods && !label.starts_with("meshctl__") || label == "meshctl__subcmd__authz__subcmd__check";
        }
        let indent = line.get(..line.len() - line.trim_start().len()).unwrap_or("");
        match names {
            Some(names) if word == r#"COMPREPLY=($(compgen -f "${cur}"))"# => {
                out.push_str(&format!("{indent}_meshctl_names \"${{cur}}\" {names}\n"));
                continue;
            }
            _ => {}
        }
        // What follows a flag and its value is the pod too: clap offers flags there.
        let after_flags = std::mem::replace(&mut esac, word == "esac");
        if authz && after_flags && word == r#"COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )"# {
            authz = false;
            out.push_str(&format!("{indent}_meshctl_names \"${{cur}}\" pods\n"));
            continue;
        }
        if pods && word.starts_with("if [[ ${cur} == -* ") {
            out.push_str(&format!("{indent}if [[ ${{cur}} != -* && ${{prev}} == authz-check ]] ; then\n"));
            out.push_str(&format!("{indent}    _meshctl_names \"${{cur}}\" pods\n{indent}    return 0\n{indent}fi\n"));
            pods = false;
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// Each argument is a line that ends in what completes it.
fn zsh(script: &str) -> String {
    let mut out = String::new();
    for line in script.lines() {
        let flag = |line: &str| {
            let bare = line.trim_start_matches(['\'', '*']);
            // Before the flag may stand those that it excludes, in parentheses.
            let bare = bare.strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or(bare, |(_, rest)| rest);
            let bare = bare.trim_start_matches('*');
            let found = FLAGS.iter().find(|(flag, _)| {
                bare.strip_prefix(flag).is_some_and(|rest| rest.starts_with("=[") || rest.starts_with("+["))
            });
            found.map(|(_, names)| *names).or_else(|| line.starts_with("'::pod -- ").then_some("pods"))
        };
        match flag(line).zip(line.strip_suffix(":_default' \\")) {
            Some((names, rest)) => out.push_str(&format!("{rest}:_meshctl_{names}' \\")),
            None => out.push_str(line),
        }
        out.push('\n');
        if line == "autoload -U is-at-least" {
            out.push_str(ZSH);
        }
    }
    out
}

/// Without the cluster there are no names.
///
/// # Errors
/// None.
#[cfg(not(feature = "cluster"))]
pub fn run(_: &Complete, _: &mut Io<'_>) -> Result<Exit> {
    Ok(Exit::Clean)
}

#[cfg(feature = "cluster")]
pub use with_cluster::run;

#[cfg(feature = "cluster")]
mod with_cluster {
    use super::{Complete, Exit, Io, Result};
    use crate::cli::Names;
    use crate::input::cluster::{Flags, Session, names};
    use std::time::{Duration, Instant};

    /// Whoever presses a key does not wait longer.
    const PATIENCE: Duration = Duration::from_secs(1);

    /// Prints names, one on each line; nothing where something is wrong.
    ///
    /// # Errors
    /// Standard output is closed.
    pub fn run(args: &Complete, io: &mut Io<'_>) -> Result<Exit> {
        for name in found(args).unwrap_or_default() {
            // A shell would take it for several, or for a command.
            if name.chars().all(|c| c.is_alphanumeric() || "-_.:/@+".contains(c)) {
                writeln!(io.stdout, "{name}")?;
            }
        }
        Ok(Exit::Clean)
    }

    fn found(args: &Complete) -> Result<Vec<String>> {
        let (flags, namespace) = flags(&args.words);
        if args.what == Names::Contexts {
            return names::contexts(&flags);
        }
        let begun = Instant::now();
        let mut session = Session::open_within(&flags, Some(PATIENCE))?;
        session.timeout = Some(PATIENCE.saturating_sub(begun.elapsed()));
        let namespace = namespace.unwrap_or_else(|| session.namespace.clone());
        match args.what {
            Names::Pods => names::pods(&session, &namespace),
            _ => names::namespaces(&session),
        }
    }

    /// Which cluster the command line so far means, and which namespace.
    fn flags(words: &[String]) -> (Flags, Option<String>) {
        let mut flags = Flags { timeout: Some(PATIENCE), ..Flags::default() };
        let mut namespace = None;
        // bash hands `--context=a` over in three words.
        let mut words = words.iter().map(String::as_str).filter(|word| *word != "=" && *word != "--");
        while let Some(word) = words.next() {
            let (flag, value) = word.split_once('=').map_or((word, None), |(flag, value)| (flag, Some(value)));
            if flag == "--insecure-skip-tls-verify" {
                flags.insecure = true;
                continue;
            }
            let place = match flag {
                "--kubeconfig" => &mut flags.kubeconfig,
                "--context" => &mut flags.context,
                "-s" | "--server" => &mut flags.server,
                "--token" => &mut flags.token,
                "--certificate-authority" => &mut flags.certificate_authority,
                "--as" => &mut flags.as_user,
                "-n" | "--namespace" => &mut namespace,
                "--as-group" => {
                    flags.as_groups.extend(value.or_else(|| words.next()).map(str::to_owned));
                    continue;
                }
                _ => continue,
            };
            *place = value.or_else(|| words.next()).filter(|value| !value.is_empty()).map(str::to_owned);
        }
        (flags, namespace)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_line_so_far_says_which_cluster() {
            let line = |text: &str| flags(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
            let (flags, namespace) = line("tls-check --context a --kubeconfig=/k -n b --from x --as u --as-group g -f");
            assert_eq!((flags.context.as_deref(), flags.kubeconfig.as_deref()), (Some("a"), Some("/k")));
            assert_eq!(
                (namespace.as_deref(), flags.as_user.as_deref(), flags.as_groups.len()),
                (Some("b"), Some("u"), 1)
            );
            let (flags, namespace) = line("-- tls-check --context = a -n ");
            assert_eq!((flags.context.as_deref(), namespace), (Some("a"), None));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_ask_for_names() {
        let bash = script(Shell::Bash);
        assert!(bash.contains("--context)\n                    _meshctl_names \"${cur}\" contexts\n"));
        assert!(bash.contains("-n)\n                    _meshctl_names \"${cur}\" namespaces\n"));
        assert_eq!(bash.matches("&& ${prev} == authz-check ]]").count(), 1);
        assert_eq!(bash.matches("esac\n            _meshctl_names \"${cur}\" pods\n            return 0\n").count(), 1);
        let zsh = script(Shell::Zsh);
        assert!(zsh.starts_with("#compdef meshctl\n"));
        for line in zsh.lines().filter(|line| line.contains("--context=[")) {
            assert!(line.ends_with(":_meshctl_contexts' \\"), "{line}");
        }
        assert!(zsh.contains(":NAMESPACE:_meshctl_namespaces' \\") && !zsh.contains(":NAMESPACE:_default'"));
        assert!(zsh.contains("_meshctl_pods' \\"));
    }
}
