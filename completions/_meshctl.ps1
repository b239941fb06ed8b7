
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'meshctl' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'meshctl'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'meshctl' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('tls-check', 'tls-check', [CompletionResultType]::ParameterValue, 'Who may call whom, with what, and does it work: the matrix of PeerAuthentication and DestinationRule')
            [CompletionResult]::new('pcap-verify', 'pcap-verify', [CompletionResultType]::ParameterValue, 'What crossed the wire: each flow of a packet capture as mutual TLS, TLS, plaintext or unknown, with the evidence')
            [CompletionResult]::new('authz-check', 'authz-check', [CompletionResultType]::ParameterValue, 'What the proxies were told: listeners, certificates, mTLS and authorization, out of Envoy config dumps')
            [CompletionResult]::new('lint', 'lint', [CompletionResultType]::ParameterValue, 'Mistakes in manifests that break mutual TLS, or that leave traffic unencrypted')
            [CompletionResult]::new('snapshot', 'snapshot', [CompletionResultType]::ParameterValue, 'What the other commands would read of a live cluster, as one file: for later, and for places without it')
            [CompletionResult]::new('doctor', 'doctor', [CompletionResultType]::ParameterValue, 'What meshctl may read of a live cluster, what it may not, and what that costs')
            [CompletionResult]::new('explain', 'explain', [CompletionResultType]::ParameterValue, 'Explain a failure code (F2), a finding code (MC0001), or an error text from a log')
            [CompletionResult]::new('completion', 'completion', [CompletionResultType]::ParameterValue, 'Print a completion script for a shell')
            [CompletionResult]::new('__complete', '__complete', [CompletionResultType]::ParameterValue, 'The names that a completion script offers')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'meshctl;tls-check' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'File, folder or glob to read, in place of the live cluster; - for standard input. Repeatable')
            [CompletionResult]::new('--filename', '--filename', [CompletionResultType]::ParameterName, 'File, folder or glob to read, in place of the live cluster; - for standard input. Repeatable')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Only services of this namespace; also the namespace of objects that name none. Repeatable')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Only services of this namespace; also the namespace of objects that name none. Repeatable')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'The kubeconfig file; by default those of KUBECONFIG, else ~/.kube/config')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'The context of the kubeconfig to use')
            [CompletionResult]::new('-s', '-s', [CompletionResultType]::ParameterName, 'The address of the API server')
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The address of the API server')
            [CompletionResult]::new('--token', '--token', [CompletionResultType]::ParameterName, 'The bearer token')
            [CompletionResult]::new('--certificate-authority', '--certificate-authority', [CompletionResultType]::ParameterName, 'The CA that the API server''s certificate must build to')
            [CompletionResult]::new('--as', '--as', [CompletionResultType]::ParameterName, 'The user to impersonate')
            [CompletionResult]::new('--as-group', '--as-group', [CompletionResultType]::ParameterName, 'A group to impersonate. Repeatable')
            [CompletionResult]::new('--request-timeout', '--request-timeout', [CompletionResultType]::ParameterName, 'How long one request may take, retries included: 1s, 2m; 0 waits for ever')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'The namespace of Istio''s control plane')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'The namespace of Istio''s control plane')
            [CompletionResult]::new('--mesh-config', '--mesh-config', [CompletionResultType]::ParameterName, 'The mesh''s configuration (meshConfig, or the ConfigMap that holds it), in place of what the input has')
            [CompletionResult]::new('--root-namespace', '--root-namespace', [CompletionResultType]::ParameterName, 'The root namespace, where mesh-wide policies live')
            [CompletionResult]::new('--trust-domain', '--trust-domain', [CompletionResultType]::ParameterName, 'The mesh''s trust domain')
            [CompletionResult]::new('--istiod-env', '--istiod-env', [CompletionResultType]::ParameterName, 'A variable of istiod''s environment that differs from Istio''s default. Repeatable')
            [CompletionResult]::new('--revision', '--revision', [CompletionResultType]::ParameterName, 'The control plane to judge: it sees the objects and injects the pods of its revision')
            [CompletionResult]::new('--istio-version', '--istio-version', [CompletionResultType]::ParameterName, 'The Istio version whose rules apply, 1.0 to the newest, such as 1.4 or 1.26')
            [CompletionResult]::new('--assume-injected', '--assume-injected', [CompletionResultType]::ParameterName, 'Count namespaces that the input does not have as injected')
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'Only this client: a workload, with its namespace after a dot, or KIND/NAME')
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'Only this service: NAME, NAME.NAMESPACE or a host, with |SUBSET and :PORT if wanted')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'Only Services with these labels')
            [CompletionResult]::new('--selector', '--selector', [CompletionResultType]::ParameterName, 'Only Services with these labels')
            [CompletionResult]::new('--status', '--status', [CompletionResultType]::ParameterName, 'Only these statuses: conflict, plaintext, tls, conditional, mixed, unknown, ok, outside')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit')
            [CompletionResult]::new('--compat', '--compat', [CompletionResultType]::ParameterName, 'The table of an older `istioctl authn tls-check`, byte for byte, with its arguments: POD[.NAMESPACE] and a SERVICE, for 1.0 the SERVICE alone. Implies that --istio-version; the true verdict goes to standard error')
            [CompletionResult]::new('--fail-on', '--fail-on', [CompletionResultType]::ParameterName, 'What makes the exit code 1: conflict, plaintext, tls, conditional, unknown, outside; or never. Unless given: conflict,conditional,unknown; with --compat: never')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('-A', '-A ', [CompletionResultType]::ParameterName, 'All namespaces: what files are read with anyway; of a cluster by default the context''s')
            [CompletionResult]::new('--all-namespaces', '--all-namespaces', [CompletionResultType]::ParameterName, 'All namespaces: what files are read with anyway; of a cluster by default the context''s')
            [CompletionResult]::new('--insecure-skip-tls-verify', '--insecure-skip-tls-verify', [CompletionResultType]::ParameterName, 'Do not check the API server''s certificate: whoever answers is believed')
            [CompletionResult]::new('--strict-read', '--strict-read', [CompletionResultType]::ParameterName, 'What could not be read ends the run, in place of UNKNOWN rows and a finding')
            [CompletionResult]::new('--expand', '--expand', [CompletionResultType]::ParameterName, 'One row for each client and endpoint, in place of groups')
            [CompletionResult]::new('--why', '--why', [CompletionResultType]::ParameterName, 'For each row the chain of decisions: object, file, line and field; and what mends a CONFLICT')
            [CompletionResult]::new('--matrix', '--matrix', [CompletionResultType]::ParameterName, 'The grid of clients and services')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'meshctl;pcap-verify' {
            [CompletionResult]::new('--ca', '--ca', [CompletionResultType]::ParameterName, 'Certificates (PEM) of a CA that the certificates on the wire must build to. Repeatable')
            [CompletionResult]::new('--require', '--require', [CompletionResultType]::ParameterName, 'What each judged flow must be; one that is less is of the class required')
            [CompletionResult]::new('--min-grade', '--min-grade', [CompletionResultType]::ParameterName, 'The weakest grade that shows mutual TLS')
            [CompletionResult]::new('--exempt', '--exempt', [CompletionResultType]::ParameterName, 'Plaintext that does not count: port=, net=, client=, server=, protocol=, joined by commas that mean AND. Repeatable')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit')
            [CompletionResult]::new('--fail-on', '--fail-on', [CompletionResultType]::ParameterName, 'What makes the exit code 1: plaintext, failed, unknown, required; or never')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--no-exemptions', '--no-exemptions', [CompletionResultType]::ParameterName, 'No exemption but those of --exempt: probes, metrics, DNS and loopback count too')
            [CompletionResult]::new('--judge-loopback', '--judge-loopback', [CompletionResultType]::ParameterName, 'Loopback counts, and what goes between an application and its own sidecar')
            [CompletionResult]::new('--flows', '--flows', [CompletionResultType]::ParameterName, 'One row for each flow, in place of one for each edge')
            [CompletionResult]::new('--show-payload', '--show-payload', [CompletionResultType]::ParameterName, 'The first bytes of flows in clear, at most 120, escaped. They may hold secrets')
            [CompletionResult]::new('--sha256', '--sha256', [CompletionResultType]::ParameterName, 'The SHA-256 of each file')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'meshctl;authz-check' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Config dump to read, also compressed with gzip or zstd; file, folder or glob; - for standard input. Repeatable')
            [CompletionResult]::new('--filename', '--filename', [CompletionResultType]::ParameterName, 'Config dump to read, also compressed with gzip or zstd; file, folder or glob; - for standard input. Repeatable')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Only proxies of this namespace; of a cluster the namespace of the pod, by default the context''s. Repeatable with -f')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Only proxies of this namespace; of a cluster the namespace of the pod, by default the context''s. Repeatable with -f')
            [CompletionResult]::new('--save', '--save', [CompletionResultType]::ParameterName, 'Keep the dumps in this folder, as POD.NAMESPACE.json; never over other content')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'The kubeconfig file; by default those of KUBECONFIG, else ~/.kube/config')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'The context of the kubeconfig to use')
            [CompletionResult]::new('-s', '-s', [CompletionResultType]::ParameterName, 'The address of the API server')
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The address of the API server')
            [CompletionResult]::new('--token', '--token', [CompletionResultType]::ParameterName, 'The bearer token')
            [CompletionResult]::new('--certificate-authority', '--certificate-authority', [CompletionResultType]::ParameterName, 'The CA that the API server''s certificate must build to')
            [CompletionResult]::new('--as', '--as', [CompletionResultType]::ParameterName, 'The user to impersonate')
            [CompletionResult]::new('--as-group', '--as-group', [CompletionResultType]::ParameterName, 'A group to impersonate. Repeatable')
            [CompletionResult]::new('--request-timeout', '--request-timeout', [CompletionResultType]::ParameterName, 'How long one request may take, retries included: 1s, 2m; 0 waits for ever')
            [CompletionResult]::new('--at', '--at', [CompletionResultType]::ParameterName, 'The time that certificates are judged at, RFC 3339; by default now')
            [CompletionResult]::new('--warn-within', '--warn-within', [CompletionResultType]::ParameterName, 'A certificate with less time left expires soon: 12h, 7d; by default a quarter of its lifetime, at most 30 days')
            [CompletionResult]::new('--compat', '--compat', [CompletionResultType]::ParameterName, 'The table of an older command, with its errors; they are named on standard error')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit')
            [CompletionResult]::new('--fail-on', '--fail-on', [CompletionResultType]::ParameterName, 'What makes the exit code 1: findings (error; warning: those too; info: all), unread; or never')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--all-pods', '--all-pods', [CompletionResultType]::ParameterName, 'Every pod of the workload, or without a name of the namespace, in place of the first ready one')
            [CompletionResult]::new('--insecure-skip-tls-verify', '--insecure-skip-tls-verify', [CompletionResultType]::ParameterName, 'Do not check the API server''s certificate: whoever answers is believed')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Every listener: those for calls of the workload itself, and of the proxy, one row for each chain')
            [CompletionResult]::new('--clusters', '--clusters', [CompletionResultType]::ParameterName, 'What the proxy sends: for each cluster and endpoint what crosses, and who the server must be')
            [CompletionResult]::new('--certs', '--certs', [CompletionResultType]::ParameterName, 'The certificates, with their chains')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'meshctl;lint' {
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'The namespace of objects that name none (by default `default`); with --cluster the one to read')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'The namespace of objects that name none (by default `default`); with --cluster the one to read')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'The kubeconfig file; by default those of KUBECONFIG, else ~/.kube/config')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'The context of the kubeconfig to use')
            [CompletionResult]::new('-s', '-s', [CompletionResultType]::ParameterName, 'The address of the API server')
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The address of the API server')
            [CompletionResult]::new('--token', '--token', [CompletionResultType]::ParameterName, 'The bearer token')
            [CompletionResult]::new('--certificate-authority', '--certificate-authority', [CompletionResultType]::ParameterName, 'The CA that the API server''s certificate must build to')
            [CompletionResult]::new('--as', '--as', [CompletionResultType]::ParameterName, 'The user to impersonate')
            [CompletionResult]::new('--as-group', '--as-group', [CompletionResultType]::ParameterName, 'A group to impersonate. Repeatable')
            [CompletionResult]::new('--request-timeout', '--request-timeout', [CompletionResultType]::ParameterName, 'How long one request may take, retries included: 1s, 2m; 0 waits for ever')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'The namespace of Istio''s control plane')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'The namespace of Istio''s control plane')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'The settings, in place of the nearest meshctl.yaml upward from the first PATH')
            [CompletionResult]::new('--mesh-config', '--mesh-config', [CompletionResultType]::ParameterName, 'The mesh''s configuration (meshConfig, or the ConfigMap that holds it), in place of what the input has')
            [CompletionResult]::new('--root-namespace', '--root-namespace', [CompletionResultType]::ParameterName, 'The root namespace, where mesh-wide policies live')
            [CompletionResult]::new('--trust-domain', '--trust-domain', [CompletionResultType]::ParameterName, 'The mesh''s trust domain')
            [CompletionResult]::new('--istiod-env', '--istiod-env', [CompletionResultType]::ParameterName, 'A variable of istiod''s environment that differs from Istio''s default. Repeatable')
            [CompletionResult]::new('--revision', '--revision', [CompletionResultType]::ParameterName, 'The control plane to judge: it sees the objects and injects the pods of its revision')
            [CompletionResult]::new('--istio-version', '--istio-version', [CompletionResultType]::ParameterName, 'The Istio version whose rules apply, 1.0 to the newest, such as 1.4 or 1.26')
            [CompletionResult]::new('--select', '--select', [CompletionResultType]::ParameterName, 'Only these rules: code (MC0201), name (plaintext-to-strict) or beginning (MC02)')
            [CompletionResult]::new('--ignore', '--ignore', [CompletionResultType]::ParameterName, 'Not these rules: code, name or beginning')
            [CompletionResult]::new('--min-severity', '--min-severity', [CompletionResultType]::ParameterName, 'The least severe finding that is shown')
            [CompletionResult]::new('--min-confidence', '--min-confidence', [CompletionResultType]::ParameterName, 'The least sure finding that is shown')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit')
            [CompletionResult]::new('--fail-on', '--fail-on', [CompletionResultType]::ParameterName, 'The least severe finding that makes the exit code 1; error, unless meshctl.yaml says otherwise')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--cluster', '--cluster', [CompletionResultType]::ParameterName, 'Read the live cluster, in place of files')
            [CompletionResult]::new('-A', '-A ', [CompletionResultType]::ParameterName, 'With --cluster: all namespaces')
            [CompletionResult]::new('--all-namespaces', '--all-namespaces', [CompletionResultType]::ParameterName, 'With --cluster: all namespaces')
            [CompletionResult]::new('--insecure-skip-tls-verify', '--insecure-skip-tls-verify', [CompletionResultType]::ParameterName, 'Do not check the API server''s certificate: whoever answers is believed')
            [CompletionResult]::new('--strict-read', '--strict-read', [CompletionResultType]::ParameterName, 'What could not be read ends the run, in place of UNKNOWN rows and a finding')
            [CompletionResult]::new('--no-ignores', '--no-ignores', [CompletionResultType]::ParameterName, 'Show also what comments and annotations in the manifests ignore')
            [CompletionResult]::new('--allow-empty', '--allow-empty', [CompletionResultType]::ParameterName, 'Exit code 0, not 3, where there is nothing to check: for hooks that pass the files that changed')
            [CompletionResult]::new('--init', '--init', [CompletionResultType]::ParameterName, 'Write a commented meshctl.yaml (or the file of --config), and do nothing else; never over one that is there')
            [CompletionResult]::new('--show-settings', '--show-settings', [CompletionResultType]::ParameterName, 'Print the settings that hold and where each comes from, and do nothing else')
            [CompletionResult]::new('--show-files', '--show-files', [CompletionResultType]::ParameterName, 'Print the files that would be read, and do nothing else')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'meshctl;snapshot' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'File to write, for its owner only; - for standard output')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'File to write, for its owner only; - for standard output')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Only this namespace, and those of the control plane; by default the context''s. Repeatable')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Only this namespace, and those of the control plane; by default the context''s. Repeatable')
            [CompletionResult]::new('--root-namespace', '--root-namespace', [CompletionResultType]::ParameterName, 'The root namespace, where mesh-wide policies live, if the mesh''s configuration cannot be read')
            [CompletionResult]::new('--revision', '--revision', [CompletionResultType]::ParameterName, 'The revision of the control plane; by default `default`, or the only one')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'The kubeconfig file; by default those of KUBECONFIG, else ~/.kube/config')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'The context of the kubeconfig to use')
            [CompletionResult]::new('-s', '-s', [CompletionResultType]::ParameterName, 'The address of the API server')
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The address of the API server')
            [CompletionResult]::new('--token', '--token', [CompletionResultType]::ParameterName, 'The bearer token')
            [CompletionResult]::new('--certificate-authority', '--certificate-authority', [CompletionResultType]::ParameterName, 'The CA that the API server''s certificate must build to')
            [CompletionResult]::new('--as', '--as', [CompletionResultType]::ParameterName, 'The user to impersonate')
            [CompletionResult]::new('--as-group', '--as-group', [CompletionResultType]::ParameterName, 'A group to impersonate. Repeatable')
            [CompletionResult]::new('--request-timeout', '--request-timeout', [CompletionResultType]::ParameterName, 'How long one request may take, retries included: 1s, 2m; 0 waits for ever')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'The namespace of Istio''s control plane')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'The namespace of Istio''s control plane')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Write over a file that is there')
            [CompletionResult]::new('--allow-partial', '--allow-partial', [CompletionResultType]::ParameterName, 'Exit code 0 also where something could not be read; the file says what')
            [CompletionResult]::new('-A', '-A ', [CompletionResultType]::ParameterName, 'All namespaces')
            [CompletionResult]::new('--all-namespaces', '--all-namespaces', [CompletionResultType]::ParameterName, 'All namespaces')
            [CompletionResult]::new('--insecure-skip-tls-verify', '--insecure-skip-tls-verify', [CompletionResultType]::ParameterName, 'Do not check the API server''s certificate: whoever answers is believed')
            [CompletionResult]::new('--strict-read', '--strict-read', [CompletionResultType]::ParameterName, 'What could not be read ends the run, in place of UNKNOWN rows and a finding')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'meshctl;doctor' {
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'For this namespace, and those of the control plane; by default the context''s. Repeatable')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'For this namespace, and those of the control plane; by default the context''s. Repeatable')
            [CompletionResult]::new('--revision', '--revision', [CompletionResultType]::ParameterName, 'The revision of the control plane; by default `default`, or the only one')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'The kubeconfig file; by default those of KUBECONFIG, else ~/.kube/config')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'The context of the kubeconfig to use')
            [CompletionResult]::new('-s', '-s', [CompletionResultType]::ParameterName, 'The address of the API server')
            [CompletionResult]::new('--server', '--server', [CompletionResultType]::ParameterName, 'The address of the API server')
            [CompletionResult]::new('--token', '--token', [CompletionResultType]::ParameterName, 'The bearer token')
            [CompletionResult]::new('--certificate-authority', '--certificate-authority', [CompletionResultType]::ParameterName, 'The CA that the API server''s certificate must build to')
            [CompletionResult]::new('--as', '--as', [CompletionResultType]::ParameterName, 'The user to impersonate')
            [CompletionResult]::new('--as-group', '--as-group', [CompletionResultType]::ParameterName, 'A group to impersonate. Repeatable')
            [CompletionResult]::new('--request-timeout', '--request-timeout', [CompletionResultType]::ParameterName, 'How long one request may take, retries included: 1s, 2m; 0 waits for ever')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'The namespace of Istio''s control plane')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'The namespace of Istio''s control plane')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('-A', '-A ', [CompletionResultType]::ParameterName, 'For all namespaces')
            [CompletionResult]::new('--all-namespaces', '--all-namespaces', [CompletionResultType]::ParameterName, 'For all namespaces')
            [CompletionResult]::new('--insecure-skip-tls-verify', '--insecure-skip-tls-verify', [CompletionResultType]::ParameterName, 'Do not check the API server''s certificate: whoever answers is believed')
            [CompletionResult]::new('--strict-read', '--strict-read', [CompletionResultType]::ParameterName, 'What could not be read ends the run, in place of UNKNOWN rows and a finding')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'meshctl;explain' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'meshctl;completion' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'meshctl;__complete' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to colour the output')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'meshctl;help' {
            [CompletionResult]::new('tls-check', 'tls-check', [CompletionResultType]::ParameterValue, 'Who may call whom, with what, and does it work: the matrix of PeerAuthentication and DestinationRule')
            [CompletionResult]::new('pcap-verify', 'pcap-verify', [CompletionResultType]::ParameterValue, 'What crossed the wire: each flow of a packet capture as mutual TLS, TLS, plaintext or unknown, with the evidence')
            [CompletionResult]::new('authz-check', 'authz-check', [CompletionResultType]::ParameterValue, 'What the proxies were told: listeners, certificates, mTLS and authorization, out of Envoy config dumps')
            [CompletionResult]::new('lint', 'lint', [CompletionResultType]::ParameterValue, 'Mistakes in manifests that break mutual TLS, or that leave traffic unencrypted')
            [CompletionResult]::new('snapshot', 'snapshot', [CompletionResultType]::ParameterValue, 'What the other commands would read of a live cluster, as one file: for later, and for places without it')
            [CompletionResult]::new('doctor', 'doctor', [CompletionResultType]::ParameterValue, 'What meshctl may read of a live cluster, what it may not, and what that costs')
            [CompletionResult]::new('explain', 'explain', [CompletionResultType]::ParameterValue, 'Explain a failure code (F2), a finding code (MC0001), or an error text from a log')
            [CompletionResult]::new('completion', 'completion', [CompletionResultType]::ParameterValue, 'Print a completion script for a shell')
            [CompletionResult]::new('__complete', '__complete', [CompletionResultType]::ParameterValue, 'The names that a completion script offers')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'meshctl;help;tls-check' {
            break
        }
        'meshctl;help;pcap-verify' {
            break
        }
        'meshctl;help;authz-check' {
            break
        }
        'meshctl;help;lint' {
            break
        }
        'meshctl;help;snapshot' {
            break
        }
        'meshctl;help;doctor' {
            break
        }
        'meshctl;help;explain' {
            break
        }
        'meshctl;help;completion' {
            break
        }
        'meshctl;help;__complete' {
            break
        }
        'meshctl;help;help' {
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
