//! `meshctl pcap-verify`: captures in, what each flow is out.

use super::progress::Progress;
use super::{Exit, Io, outputs, say, write};
use crate::capture::exempt::{Exemptions, Rule};
use crate::capture::flow::{Capture, Grade};
use crate::capture::judge::{self, Class, Policy, undecoded};
use crate::capture::packet::Time;
use crate::capture::report::{PcapReport, View};
use crate::capture::verify::first_time;
use crate::capture::{Options, Verifier};
use crate::cli::{Colour, MinGrade, PcapVerify, Require};
use crate::input::{captures, files};
use crate::pki::Certificate;
use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs the command.
///
/// # Errors
/// What the user has to change: paths, flags, files that are no captures.
pub fn run(args: &PcapVerify, colour: Colour, io: &mut Io<'_>) -> Result<Exit> {
    if args.files.iter().filter(|path| *path == "-").count() > 1 {
        bail!("- is given twice: standard input can be read once");
    }
    let fail_on = FailOn::parse(&args.fail_on)?;
    let outputs = outputs(&args.output)?;
    let policy = policy(args)?;
    let roots = roots(&args.ca)?;
    let capture = read(args, roots, io)?;
    judged(capture, policy, args, &fail_on, &outputs, colour, io)
}

/// Judges a capture, writes the report, and says how the run ended.
fn judged(
    capture: Capture,
    policy: Policy,
    args: &PcapVerify,
    fail_on: &FailOn,
    outputs: &[super::Output],
    colour: Colour,
    io: &mut Io<'_>,
) -> Result<Exit> {
    if !capture.coverage.files.iter().any(|file| file.valid) {
        let first = capture.coverage.files.first();
        let path = first.map_or("the input", |file| &file.path);
        let why = first.and_then(|file| file.problem.as_deref()).unwrap_or("not a capture file");
        bail!("{path}: {why}");
    }
    let report = PcapReport::new(capture, policy, View { flows: args.flows, payload: args.show_payload });
    write(&report, outputs, colour, io)?;
    let exit = fail_on.judge(&report, args.require);
    if exit == Exit::Nothing {
        let what = match report.counts().flows {
            0 => "nothing to check: the capture has no flow",
            _ => "nothing to check: no flow counts, so none meets --require",
        };
        say(io, what)?;
    }
    Ok(exit)
}

/// Reads and classifies the captures.
fn read(args: &PcapVerify, roots: Vec<Certificate>, io: &mut Io<'_>) -> Result<Capture> {
    let stop = interrupts()?;
    let mut verifier = Verifier::new(Options { roots, samples: args.show_payload });
    let mut stopped = Vec::new();
    for (place, path) in in_order(&args.files, &stop).into_iter().enumerate() {
        // What the user did not wait for is no capture that was read and found empty.
        if path != "-" && stop.load(Ordering::Relaxed) {
            verifier.unread(path, ENDED.to_owned());
            continue;
        }
        let opened = if path == "-" {
            captures::from_reader(std::mem::replace(&mut io.stdin, Box::new(std::io::empty())), args.sha256, &stop)
        } else {
            captures::open(path, args.sha256, &stop)
        };
        match opened {
            Err(problem) => verifier.unread(path, problem),
            Ok(mut input) => {
                let done = input.progress();
                let mut progress = Progress::new(&mut *io.stderr, io.stderr_is_terminal, input.size());
                verifier.file(path, &mut input, &mut || progress.at(done.load(Ordering::Relaxed)));
                if input.is_stopped() {
                    stopped.push((place, input.size().is_some()));
                }
                let digest = args.sha256.then(|| input.finish()).flatten();
                verifier.measured(done.load(Ordering::Relaxed), digest);
            }
        }
    }
    let mut capture = verifier.finish(stop.load(Ordering::Relaxed));
    for (place, regular) in stopped {
        if let Some(file) = capture.coverage.files.get_mut(place).filter(|file| file.valid) {
            file.problem = regular.then(|| ENDED.to_owned());
        }
    }
    Ok(capture)
}

/// What is said of a regular file that the user did not let be read to its end. A pipe is whole when the user ends it, also
/// amid a record: that is how it ends.
const ENDED: &str = "the user ended the run";

/// Ctrl-C ends the reading; a second one ends the program.
fn interrupts() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let signal = signal_hook::consts::SIGINT;
    signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))
        .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
        .context("Ctrl-C could not be prepared for")?;
    Ok(stop)
}

/// Rotated captures are read by the time of their first frame, wherever they stand on the command line; what is no
/// regular file, or has no frame, stays where it is typed, before the others.
fn in_order<'a>(typed: &'a [String], stop: &Arc<AtomicBool>) -> Vec<&'a str> {
    let begin = |path: &str| {
        let regular = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
        if typed.len() == 1 || !regular {
            return None;
        }
        first_time(captures::open(path, false, stop).ok()?)
    };
    let mut paths: Vec<(Option<Time>, &str)> = typed.iter().map(|path| (begin(path), path.as_str())).collect();
    paths.sort_by_key(|(time, _)| *time);
    paths.into_iter().map(|(_, path)| path).collect()
}

/// The classes of `--fail-on`.
#[derive(Debug, Default)]
struct FailOn(BTreeSet<Class>);

impl FailOn {
    fn parse(words: &[String]) -> Result<Self> {
        let mut classes = BTreeSet::new();
        let mut never = false;
        for word in words.iter().map(|word| word.trim()).filter(|word| !word.is_empty()) {
            match Class::ALL.iter().find(|class| class.word().eq_ignore_ascii_case(word)) {
                Some(class) => {
                    classes.insert(*class);
                }
                None if word.eq_ignore_ascii_case("never") => never = true,
                None => bail!("{word:?} is not a value of --fail-on: plaintext, failed, unknown, required, never"),
            }
        }
        match (never, classes.is_empty()) {
            (false, true) => bail!("--fail-on is empty: name what is to fail the run, or never"),
            (true, false) => bail!("--fail-on never stands alone"),
            _ => Ok(Self(classes)),
        }
    }

    /// The exit code: 1 beats 3. What could not be looked at at all (a file that is no capture beside others that are, a
    /// capture of which no frame could be decoded) is unknown.
    fn judge(&self, report: &PcapReport, require: Require) -> Exit {
        let (counts, coverage) = (report.counts(), &report.capture().coverage);
        let by_flow = self.0.iter().any(|class| counts.class(*class) > 0);
        let unread = coverage.files.iter().any(|file| !file.valid);
        let blind = counts.flows == 0 && undecoded(coverage) > 0;
        if by_flow || self.0.contains(&Class::Unknown) && (unread || blind) {
            Exit::Found
        } else if counts.flows == 0 || counts.judged == 0 && require != Require::None {
            // Whoever requires something asks for at least one flow that meets it.
            Exit::Nothing
        } else {
            Exit::Clean
        }
    }
}

fn policy(args: &PcapVerify) -> Result<Policy> {
    let rule = |text: &String| Rule::parse(text).map_err(|why| anyhow!("--exempt {text:?}: {why}"));
    Ok(Policy {
        require: match args.require {
            Require::Mtls => judge::Require::Mtls,
            Require::Tls => judge::Require::Tls,
            Require::None => judge::Require::None,
        },
        min_grade: match args.min_grade {
            MinGrade::A => Grade::A,
            MinGrade::B => Grade::B,
            MinGrade::CPlus => Grade::CPlus,
            MinGrade::C => Grade::C,
            MinGrade::D => Grade::D,
        },
        exemptions: Exemptions {
            built_in: !args.no_exemptions,
            judge_loopback: args.judge_loopback,
            rules: args.exempt.iter().map(rule).collect::<Result<_>>()?,
        },
    })
}

/// Reads `--ca`.
fn roots(paths: &[String]) -> Result<Vec<Certificate>> {
    let mut roots = Vec::new();
    for path in paths {
        let text = files::read(Path::new(path)).context("--ca")?;
        let read = Certificate::read_pem(&text).map_err(|why| anyhow!("--ca: {path}: {why}"))?;
        if read.is_empty() {
            bail!("--ca: {path} holds no certificate");
        }
        roots.extend(read);
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::flow::FileCoverage;
    use crate::capture::packet::Skip;

    fn exit(coverage: crate::capture::flow::Coverage, fail_on: &str) -> Exit {
        let words: Vec<String> = fail_on.split(',').map(str::to_owned).collect();
        let capture = Capture { coverage, ..Capture::default() };
        let report = PcapReport::new(capture, Policy::default(), View::default());
        FailOn::parse(&words).unwrap().judge(&report, Require::None)
    }

    #[test]
    fn classes_are_words_and_never_stands_alone() {
        let parse = |words: &[&str]| FailOn::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(parse(&["Plaintext", " failed"]).unwrap().0, [Class::Plaintext, Class::Failed].into());
        assert!(parse(&["never"]).unwrap().0.is_empty());
        for wrong in [&["tls"][..], &[""], &["never", "failed"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_capture_without_flows_is_nothing_or_unknown() {
        let file = |valid| FileCoverage { path: "a".to_owned(), valid, ..FileCoverage::default() };
        let of = |skip, files| crate::capture::flow::Coverage {
            frames: 1,
            skipped: [(skip, 1)].into(),
            files,
            ..Default::default()
        };
        assert_eq!(exit(of(Skip::NotIp, vec![file(true)]), "unknown"), Exit::Nothing);
        assert_eq!(exit(of(Skip::LinkType(99), vec![file(true)]), "unknown"), Exit::Found);
        assert_eq!(exit(of(Skip::LinkType(99), vec![file(true)]), "never"), Exit::Nothing);
        assert_eq!(exit(of(Skip::NotIp, vec![file(true), file(false)]), "unknown"), Exit::Found);
    }
}
