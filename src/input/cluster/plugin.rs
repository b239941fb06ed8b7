//! Runs the credential plugin that a kubeconfig names, once, as client-go does.
//!
//! kube runs it for the token and again for the certificate, and would not show what it says on standard error; here it
//! runs once, and what it gave is put where a token or a certificate of the kubeconfig stands.

use anyhow::{Context, Result, anyhow, bail};
use kube::config::{AuthInfo, ExecConfig, ExecInteractiveMode};
use serde_json::{Value, json};
use std::io::{IsTerminal, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// The most that a plugin may say.
const MOST: u64 = 1 << 20;

/// Runs the plugin and takes its credentials over. `cluster` is what it is told of the cluster, where it asks for that;
/// with `patience` it may ask nothing, and is ended after so long.
///
/// # Errors
/// It is not there, fails (with what it wrote on standard error), or says something else than credentials.
pub(super) fn run(
    exec: &ExecConfig,
    cluster: Option<Value>,
    user: &mut AuthInfo,
    patience: Option<Duration>,
) -> Result<()> {
    let name = exec.command.clone().ok_or_else(|| anyhow!("the credential plugin of the kubeconfig has no command"))?;
    // client-go: interactive only where standard input is a terminal; Always demands one.
    let may_ask = patience.is_none() && exec.interactive_mode != Some(ExecInteractiveMode::Never);
    let interactive = may_ask && std::io::stdin().is_terminal();
    if exec.interactive_mode == Some(ExecInteractiveMode::Always) && !interactive {
        bail!("the credential plugin {name} asks questions, and standard input is no terminal");
    }
    let info = json!({
        "kind": "ExecCredential",
        "apiVersion": exec.api_version,
        "spec": { "interactive": interactive, "cluster": cluster },
    });
    let mut command = Command::new(&name);
    command.args(exec.args.iter().flatten()).env("KUBERNETES_EXEC_INFO", info.to_string()).stdout(Stdio::piped());
    for pair in exec.env.iter().flatten() {
        if let (Some(key), Some(value)) = (pair.get("name"), pair.get("value")) {
            command.env(key, value);
        }
    }
    #[cfg(unix)]
    if patience.is_some() {
        // A group of its own is not the terminal's foreground: what it asks there is not answered.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
    }
    if interactive {
        command.stdin(Stdio::inherit()).stderr(Stdio::inherit());
    } else {
        command.stdin(Stdio::null()).stderr(Stdio::piped());
    }
    let hint = exec.install_hint.as_deref().map(|hint| format!(" ({})", hint.trim())).unwrap_or_default();
    let mut child = command.spawn().with_context(|| format!("could not run the credential plugin {name}{hint}"))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    // Both ends are read at once, so that neither fills up while the other is waited for.
    let (send, said) = mpsc::channel();
    let errors = send.clone();
    std::thread::spawn(move || errors.send((true, drain(err))));
    std::thread::spawn(move || send.send((false, drain(out))));
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let until = patience.and_then(|patience| Instant::now().checked_add(patience));
    for _ in 0..2 {
        let next = match until {
            Some(until) => said.recv_timeout(until.saturating_duration_since(Instant::now())).ok(),
            None => said.recv().ok(),
        };
        let Some((is_error, bytes)) = next else {
            // What it started may hold the pipes for longer: the threads that read them are left behind.
            let _ = child.kill();
            let _ = child.wait();
            bail!("the credential plugin {name} did not answer in time");
        };
        if is_error { stderr = bytes } else { stdout = bytes }
    }
    let status = child.wait().with_context(|| format!("could not wait for the credential plugin {name}"))?;
    if !status.success() {
        let said = String::from_utf8_lossy(&stderr);
        let said = if said.trim().is_empty() { String::new() } else { format!(": {}", said.trim()) };
        bail!("the credential plugin {name} failed ({status}){said}");
    }
    let answer: Value = serde_json::from_slice(&stdout)
        .map_err(|error| anyhow!("the credential plugin {name} did not print an ExecCredential: {error}"))?;
    take(&answer, exec.api_version.as_deref(), user).with_context(|| format!("the credential plugin {name}"))
}

fn drain(from: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        let mut from = from.take(MOST);
        // What came before an error is judged as it is: an answer that is cut off does not decode.
        let _ = from.read_to_end(&mut bytes);
        let _ = std::io::copy(from.get_mut(), &mut std::io::sink());
    }
    bytes
}

/// Takes a token, or a certificate with its key, over.
fn take(answer: &Value, version: Option<&str>, user: &mut AuthInfo) -> Result<()> {
    let word = |path: &str| answer.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty());
    if word("/kind") != Some("ExecCredential") {
        bail!("its answer is no ExecCredential");
    }
    if let (Some(wanted), Some(got)) = (version, word("/apiVersion"))
        && wanted != got
    {
        bail!("it speaks {got}, the kubeconfig wants {wanted}");
    }
    let token = word("/status/token");
    let pair = (word("/status/clientCertificateData"), word("/status/clientKeyData"));
    if token.is_none() && !matches!(pair, (Some(_), Some(_))) {
        bail!("its answer has neither a token nor a certificate with its key");
    }
    let token = token.map(|token| token.trim_end_matches(['\r', '\n']).to_owned().into());
    user.token = token.or(user.token.take());
    if let (Some(certificate), Some(key)) = pair {
        let encode = |text: &str| data_encoding::BASE64.encode(text.as_bytes());
        user.client_certificate_data = Some(encode(certificate));
        user.client_key_data = Some(encode(key).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<AuthInfo> {
        let exec: ExecConfig = serde_json::from_value(json!({
            "apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", script],
            "env": [{"name": "GREETING", "value": "hello"}], "interactiveMode": "Never"
        }))
        .unwrap();
        let mut user = AuthInfo::default();
        run(&exec, None, &mut user, None).map(|()| user)
    }

    #[test]
    fn a_plugin_gives_a_token_or_a_certificate_or_says_why_not() {
        let answer = |status: &str| {
            format!(
                "echo '{{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{status}}}'"
            )
        };
        for (script, want) in [
            (answer("{\"token\":\"t\"}"), "token"),
            (answer("{\"clientCertificateData\":\"c\",\"clientKeyData\":\"k\"}"), "certificate"),
            (answer("{\"clientCertificateData\":\"c\"}"), "neither a token nor"),
            (answer("{}"), "neither a token nor"),
            ("echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"x/v9\",\"status\":{}}'".to_owned(), "it speaks x/v9"),
            ("echo hello".to_owned(), "did not print an ExecCredential"),
            ("echo '{}'".to_owned(), "its answer is no ExecCredential"),
            ("echo $GREETING you are logged out >&2; exit 3".to_owned(), "hello you are logged out"),
            ("test -n \"$KUBERNETES_EXEC_INFO\" || exit 1; exit 2".to_owned(), "exit status: 2"),
        ] {
            let found = match shell(&script) {
                Ok(user) if user.token.is_some() => "token".to_owned(),
                Ok(user) if user.client_key_data.is_some() => "certificate".to_owned(),
                Ok(_) => "nothing".to_owned(),
                Err(error) => format!("{error:#}"),
            };
            assert!(found.contains(want), "{script}: {found}");
        }
    }

    #[test]
    fn a_plugin_that_takes_its_time_is_ended() {
        let exec = |script: &str| -> ExecConfig {
            serde_json::from_value(json!({"command": "sh", "args": ["-c", script]})).unwrap()
        };
        // The second leaves a process behind that holds its standard output.
        for script in ["exec sleep 5", "sleep 5 & wait"] {
            let begun = Instant::now();
            let patience = Some(Duration::from_millis(200));
            let error = run(&exec(script), None, &mut AuthInfo::default(), patience).unwrap_err();
            assert!(error.to_string().contains("did not answer in time"), "{script}: {error:#}");
            assert!(begun.elapsed() < Duration::from_secs(3), "{script}");
        }
    }

    #[test]
    fn a_plugin_that_is_not_there_is_named_with_its_hint() {
        let exec: ExecConfig = serde_json::from_value(
            json!({"command": "/nowhere/login", "installHint": "install it with brew", "interactiveMode": "Never"}),
        )
        .unwrap();
        let error = format!("{:#}", run(&exec, None, &mut AuthInfo::default(), None).unwrap_err());
        assert!(error.contains("/nowhere/login (install it with brew)"), "{error}");
    }
}
