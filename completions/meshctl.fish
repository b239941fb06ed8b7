# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_meshctl_global_optspecs
    string join \n color= h/help V/version
end

function __fish_meshctl_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_meshctl_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_meshctl_using_subcommand
    set -l cmd (__fish_meshctl_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c meshctl -n "__fish_meshctl_needs_command" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c meshctl -n "__fish_meshctl_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c meshctl -n "__fish_meshctl_needs_command" -s V -l version -d 'Print version'
complete -c meshctl -n "__fish_meshctl_needs_command" -f -a "tls-check" -d 'Who may call whom, with what, and does it work: the matrix of PeerAuthentication and DestinationRule'
complete -c meshctl -n "__fish_meshctl_needs_command" -f -a "pcap-verify" -d 'What crossed the wire: each flow of a packet capture as mutual TLS, TLS, plaintext or unknown, with the evidence'
complete -c meshctl -n "__fish_meshctl_needs_command" -f -a "authz-check" -d 'What the proxies were told: listeners, certificates, mTLS and authorization, out of Envoy config dumps'
complete -c meshctl -n "__fish_meshctl_needs_command" -f -a "lint" -d 'Mistakes in manifests that break mutual TLS, or that leave traffic unencrypted'
complete -c meshctl -n "__fish_meshctl_needs_command" -f -a "snapshot" -d 'What the other commands would read of a live cluster, as one file: for later, and for places without it'
complete -c meshctl -n "__fish_meshctl_needs_command" -f -a "doctor" -d 'What meshctl may read of a live cluster, what it may not, and what that costs'
complete -c meshctl -n "__fish_meshctl_needs_command" -f -a "explain" -d 'Explain a failure code (F2), a finding code (MC0001), or an error text from a log'
complete -c meshctl -n "__fish_meshctl_needs_command" -f -a "completion" -d 'Print a completion script for a shell'
complete -c meshctl -n "__fish_meshctl_needs_command" -f -a "__complete" -d 'The names that a completion script offers'
complete -c meshctl -n "__fish_meshctl_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -s f -l filename -d 'File, folder or glob to read, in place of the live cluster; - for standard input. Repeatable' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -s n -l namespace -d 'Only services of this namespace; also the namespace of objects that name none. Repeatable' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -l kubeconfig -d 'The kubeconfig file; by default those of KUBECONFIG, else ~/.kube/config' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -l context -d 'The context of the kubeconfig to use' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -s s -l server -d 'The address of the API server' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -l token -d 'The bearer token' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -l certificate-authority -d 'The CA that the API server\'s certificate must build to' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -l as -d 'The user to impersonate' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -l as-group -d 'A group to impersonate. Repeatable' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -l request-timeout -d 'How long one request may take, retries included: 1s, 2m; 0 waits for ever' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -s i -l istio-namespace -d 'The namespace of Istio\'s control plane' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -l mesh-config -d 'The mesh\'s configuration (meshConfig, or the ConfigMap that holds it), in place of what the input has' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -l root-namespace -d 'The root namespace, where mesh-wide policies live' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -l trust-domain -d 'The mesh\'s trust domain' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -l istiod-env -d 'A variable of istiod\'s environment that differs from Istio\'s default. Repeatable' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -l revision -d 'The control plane to judge: it sees the objects and injects the pods of its revision' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -l istio-version -d 'The Istio version whose rules apply, 1.0 to the newest, such as 1.4 or 1.26' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -l assume-injected -d 'Count namespaces that the input does not have as injected' -r -f -a "true\t''
false\t''"
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -l from -d 'Only this client: a workload, with its namespace after a dot, or KIND/NAME' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -l to -d 'Only this service: NAME, NAME.NAMESPACE or a host, with |SUBSET and :PORT if wanted' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -s l -l selector -d 'Only Services with these labels' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -l status -d 'Only these statuses: conflict, plaintext, tls, conditional, mixed, unknown, ok, outside' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -s o -l output -d 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -l compat -d 'The table of an older `istioctl authn tls-check`, byte for byte, with its arguments: POD[.NAMESPACE] and a SERVICE, for 1.0 the SERVICE alone. Implies that --istio-version; the true verdict goes to standard error' -r -f -a "istioctl-1.0\t'`istioctl authn tls-check` of 1.0'
istioctl-1.1\t'Of 1.1'
istioctl-1.2\t'Of 1.2'
istioctl-1.3\t'Of 1.3'
istioctl-1.4\t'Of 1.4'
istioctl-1.5\t'Of 1.5'"
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -l fail-on -d 'What makes the exit code 1: conflict, plaintext, tls, conditional, unknown, outside; or never. Unless given: conflict,conditional,unknown; with --compat: never' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -s A -l all-namespaces -d 'All namespaces: what files are read with anyway; of a cluster by default the context\'s'
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -l insecure-skip-tls-verify -d 'Do not check the API server\'s certificate: whoever answers is believed'
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -l strict-read -d 'What could not be read ends the run, in place of UNKNOWN rows and a finding'
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -l expand -d 'One row for each client and endpoint, in place of groups'
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -l why -d 'For each row the chain of decisions: object, file, line and field; and what mends a CONFLICT'
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -l matrix -d 'The grid of clients and services'
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c meshctl -n "__fish_meshctl_using_subcommand tls-check" -s V -l version -d 'Print version'
complete -c meshctl -n "__fish_meshctl_using_subcommand pcap-verify" -l ca -d 'Certificates (PEM) of a CA that the certificates on the wire must build to. Repeatable' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand pcap-verify" -l require -d 'What each judged flow must be; one that is less is of the class required' -r -f -a "mtls\t'Mutual TLS, of the grade of --min-grade'
tls\t'TLS of any kind'
none\t'Nothing more'"
complete -c meshctl -n "__fish_meshctl_using_subcommand pcap-verify" -l min-grade -d 'The weakest grade that shows mutual TLS' -r -f -a "A\t'Proven'
B\t'Both certificates seen'
C+\t'Inferred, with marks of the mesh'
C\t'Inferred'
D\t'Circumstantial'"
complete -c meshctl -n "__fish_meshctl_using_subcommand pcap-verify" -l exempt -d 'Plaintext that does not count: port=, net=, client=, server=, protocol=, joined by commas that mean AND. Repeatable' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand pcap-verify" -s o -l output -d 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand pcap-verify" -l fail-on -d 'What makes the exit code 1: plaintext, failed, unknown, required; or never' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand pcap-verify" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c meshctl -n "__fish_meshctl_using_subcommand pcap-verify" -l no-exemptions -d 'No exemption but those of --exempt: probes, metrics, DNS and loopback count too'
complete -c meshctl -n "__fish_meshctl_using_subcommand pcap-verify" -l judge-loopback -d 'Loopback counts, and what goes between an application and its own sidecar'
complete -c meshctl -n "__fish_meshctl_using_subcommand pcap-verify" -l flows -d 'One row for each flow, in place of one for each edge'
complete -c meshctl -n "__fish_meshctl_using_subcommand pcap-verify" -l show-payload -d 'The first bytes of flows in clear, at most 120, escaped. They may hold secrets'
complete -c meshctl -n "__fish_meshctl_using_subcommand pcap-verify" -l sha256 -d 'The SHA-256 of each file'
complete -c meshctl -n "__fish_meshctl_using_subcommand pcap-verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c meshctl -n "__fish_meshctl_using_subcommand pcap-verify" -s V -l version -d 'Print version'
complete -c meshctl -n "__fish_meshctl_using_subcommand authz-check" -s f -l filename -d 'Config dump to read, also compressed with gzip or zstd; file, folder or glob; - for standard input. Repeatable' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand authz-check" -s n -l namespace -d 'Only proxies of this namespace; of a cluster the namespace of the pod, by default the context\'s. Repeatable with -f' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand authz-check" -l save -d 'Keep the dumps in this folder, as POD.NAMESPACE.json; never over other content' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand authz-check" -l kubeconfig -d 'The kubeconfig file; by default those of KUBECONFIG, else ~/.kube/config' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand authz-check" -l context -d 'The context of the kubeconfig to use' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand authz-check" -s s -l server -d 'The address of the API server' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand authz-check" -l token -d 'The bearer token' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand authz-check" -l certificate-authority -d 'The CA that the API server\'s certificate must build to' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand authz-check" -l as -d 'The user to impersonate' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand authz-check" -l as-group -d 'A group to impersonate. Repeatable' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand authz-check" -l request-timeout -d 'How long one request may take, retries included: 1s, 2m; 0 waits for ever' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand authz-check" -l at -d 'The time that certificates are judged at, RFC 3339; by default now' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand authz-check" -l warn-within -d 'A certificate with less time left expires soon: 12h, 7d; by default a quarter of its lifetime, at most 30 days' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand authz-check" -l compat -d 'The table of an older command, with its errors; they are named on standard error' -r -f -a "istioctl-1.6\t'`istioctl experimental authz check` of 1.6.0 to 1.7.0'"
complete -c meshctl -n "__fish_meshctl_using_subcommand authz-check" -s o -l output -d 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand authz-check" -l fail-on -d 'What makes the exit code 1: findings (error; warning: those too; info: all), unread; or never' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand authz-check" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c meshctl -n "__fish_meshctl_using_subcommand authz-check" -l all-pods -d 'Every pod of the workload, or without a name of the namespace, in place of the first ready one'
complete -c meshctl -n "__fish_meshctl_using_subcommand authz-check" -l insecure-skip-tls-verify -d 'Do not check the API server\'s certificate: whoever answers is believed'
complete -c meshctl -n "__fish_meshctl_using_subcommand authz-check" -l all -d 'Every listener: those for calls of the workload itself, and of the proxy, one row for each chain'
complete -c meshctl -n "__fish_meshctl_using_subcommand authz-check" -l clusters -d 'What the proxy sends: for each cluster and endpoint what crosses, and who the server must be'
complete -c meshctl -n "__fish_meshctl_using_subcommand authz-check" -l certs -d 'The certificates, with their chains'
complete -c meshctl -n "__fish_meshctl_using_subcommand authz-check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c meshctl -n "__fish_meshctl_using_subcommand authz-check" -s V -l version -d 'Print version'
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -s n -l namespace -d 'The namespace of objects that name none (by default `default`); with --cluster the one to read' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l kubeconfig -d 'The kubeconfig file; by default those of KUBECONFIG, else ~/.kube/config' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l context -d 'The context of the kubeconfig to use' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -s s -l server -d 'The address of the API server' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l token -d 'The bearer token' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l certificate-authority -d 'The CA that the API server\'s certificate must build to' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l as -d 'The user to impersonate' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l as-group -d 'A group to impersonate. Repeatable' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l request-timeout -d 'How long one request may take, retries included: 1s, 2m; 0 waits for ever' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -s i -l istio-namespace -d 'The namespace of Istio\'s control plane' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l config -d 'The settings, in place of the nearest meshctl.yaml upward from the first PATH' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l mesh-config -d 'The mesh\'s configuration (meshConfig, or the ConfigMap that holds it), in place of what the input has' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l root-namespace -d 'The root namespace, where mesh-wide policies live' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l trust-domain -d 'The mesh\'s trust domain' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l istiod-env -d 'A variable of istiod\'s environment that differs from Istio\'s default. Repeatable' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l revision -d 'The control plane to judge: it sees the objects and injects the pods of its revision' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l istio-version -d 'The Istio version whose rules apply, 1.0 to the newest, such as 1.4 or 1.26' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l select -d 'Only these rules: code (MC0201), name (plaintext-to-strict) or beginning (MC02)' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l ignore -d 'Not these rules: code, name or beginning' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l min-severity -d 'The least severe finding that is shown' -r -f -a "error\t'Errors only'
warning\t'Errors and warnings'
info\t'All'"
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l min-confidence -d 'The least sure finding that is shown' -r -f -a "high\t'What is read from the objects themselves'
medium\t'Also what follows from what is usual'
low\t'All'"
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -s o -l output -d 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l fail-on -d 'The least severe finding that makes the exit code 1; error, unless meshctl.yaml says otherwise' -r -f -a "error\t'Errors'
warning\t'Errors and warnings'
info\t'Any finding'
never\t'Nothing'"
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l cluster -d 'Read the live cluster, in place of files'
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -s A -l all-namespaces -d 'With --cluster: all namespaces'
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l insecure-skip-tls-verify -d 'Do not check the API server\'s certificate: whoever answers is believed'
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l strict-read -d 'What could not be read ends the run, in place of UNKNOWN rows and a finding'
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l no-ignores -d 'Show also what comments and annotations in the manifests ignore'
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l allow-empty -d 'Exit code 0, not 3, where there is nothing to check: for hooks that pass the files that changed'
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l init -d 'Write a commented meshctl.yaml (or the file of --config), and do nothing else; never over one that is there'
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l show-settings -d 'Print the settings that hold and where each comes from, and do nothing else'
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -l show-files -d 'Print the files that would be read, and do nothing else'
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c meshctl -n "__fish_meshctl_using_subcommand lint" -s V -l version -d 'Print version'
complete -c meshctl -n "__fish_meshctl_using_subcommand snapshot" -s o -l output -d 'File to write, for its owner only; - for standard output' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand snapshot" -s n -l namespace -d 'Only this namespace, and those of the control plane; by default the context\'s. Repeatable' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand snapshot" -l root-namespace -d 'The root namespace, where mesh-wide policies live, if the mesh\'s configuration cannot be read' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand snapshot" -l revision -d 'The revision of the control plane; by default `default`, or the only one' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand snapshot" -l kubeconfig -d 'The kubeconfig file; by default those of KUBECONFIG, else ~/.kube/config' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand snapshot" -l context -d 'The context of the kubeconfig to use' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand snapshot" -s s -l server -d 'The address of the API server' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand snapshot" -l token -d 'The bearer token' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand snapshot" -l certificate-authority -d 'The CA that the API server\'s certificate must build to' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand snapshot" -l as -d 'The user to impersonate' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand snapshot" -l as-group -d 'A group to impersonate. Repeatable' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand snapshot" -l request-timeout -d 'How long one request may take, retries included: 1s, 2m; 0 waits for ever' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand snapshot" -s i -l istio-namespace -d 'The namespace of Istio\'s control plane' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand snapshot" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c meshctl -n "__fish_meshctl_using_subcommand snapshot" -l force -d 'Write over a file that is there'
complete -c meshctl -n "__fish_meshctl_using_subcommand snapshot" -l allow-partial -d 'Exit code 0 also where something could not be read; the file says what'
complete -c meshctl -n "__fish_meshctl_using_subcommand snapshot" -s A -l all-namespaces -d 'All namespaces'
complete -c meshctl -n "__fish_meshctl_using_subcommand snapshot" -l insecure-skip-tls-verify -d 'Do not check the API server\'s certificate: whoever answers is believed'
complete -c meshctl -n "__fish_meshctl_using_subcommand snapshot" -l strict-read -d 'What could not be read ends the run, in place of UNKNOWN rows and a finding'
complete -c meshctl -n "__fish_meshctl_using_subcommand snapshot" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c meshctl -n "__fish_meshctl_using_subcommand snapshot" -s V -l version -d 'Print version'
complete -c meshctl -n "__fish_meshctl_using_subcommand doctor" -s n -l namespace -d 'For this namespace, and those of the control plane; by default the context\'s. Repeatable' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand doctor" -l revision -d 'The revision of the control plane; by default `default`, or the only one' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand doctor" -l kubeconfig -d 'The kubeconfig file; by default those of KUBECONFIG, else ~/.kube/config' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand doctor" -l context -d 'The context of the kubeconfig to use' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand doctor" -s s -l server -d 'The address of the API server' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand doctor" -l token -d 'The bearer token' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand doctor" -l certificate-authority -d 'The CA that the API server\'s certificate must build to' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand doctor" -l as -d 'The user to impersonate' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand doctor" -l as-group -d 'A group to impersonate. Repeatable' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand doctor" -l request-timeout -d 'How long one request may take, retries included: 1s, 2m; 0 waits for ever' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand doctor" -s i -l istio-namespace -d 'The namespace of Istio\'s control plane' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand doctor" -s o -l output -d 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit' -r
complete -c meshctl -n "__fish_meshctl_using_subcommand doctor" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c meshctl -n "__fish_meshctl_using_subcommand doctor" -s A -l all-namespaces -d 'For all namespaces'
complete -c meshctl -n "__fish_meshctl_using_subcommand doctor" -l insecure-skip-tls-verify -d 'Do not check the API server\'s certificate: whoever answers is believed'
complete -c meshctl -n "__fish_meshctl_using_subcommand doctor" -l strict-read -d 'What could not be read ends the run, in place of UNKNOWN rows and a finding'
complete -c meshctl -n "__fish_meshctl_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c meshctl -n "__fish_meshctl_using_subcommand doctor" -s V -l version -d 'Print version'
complete -c meshctl -n "__fish_meshctl_using_subcommand explain" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c meshctl -n "__fish_meshctl_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c meshctl -n "__fish_meshctl_using_subcommand explain" -s V -l version -d 'Print version'
complete -c meshctl -n "__fish_meshctl_using_subcommand completion" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c meshctl -n "__fish_meshctl_using_subcommand completion" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c meshctl -n "__fish_meshctl_using_subcommand completion" -s V -l version -d 'Print version'
complete -c meshctl -n "__fish_meshctl_using_subcommand __complete" -l color -d 'When to colour the output' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c meshctl -n "__fish_meshctl_using_subcommand __complete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c meshctl -n "__fish_meshctl_using_subcommand __complete" -s V -l version -d 'Print version'
complete -c meshctl -n "__fish_meshctl_using_subcommand help; and not __fish_seen_subcommand_from tls-check pcap-verify authz-check lint snapshot doctor explain completion __complete help" -f -a "tls-check" -d 'Who may call whom, with what, and does it work: the matrix of PeerAuthentication and DestinationRule'
complete -c meshctl -n "__fish_meshctl_using_subcommand help; and not __fish_seen_subcommand_from tls-check pcap-verify authz-check lint snapshot doctor explain completion __complete help" -f -a "pcap-verify" -d 'What crossed the wire: each flow of a packet capture as mutual TLS, TLS, plaintext or unknown, with the evidence'
complete -c meshctl -n "__fish_meshctl_using_subcommand help; and not __fish_seen_subcommand_from tls-check pcap-verify authz-check lint snapshot doctor explain completion __complete help" -f -a "authz-check" -d 'What the proxies were told: listeners, certificates, mTLS and authorization, out of Envoy config dumps'
complete -c meshctl -n "__fish_meshctl_using_subcommand help; and not __fish_seen_subcommand_from tls-check pcap-verify authz-check lint snapshot doctor explain completion __complete help" -f -a "lint" -d 'Mistakes in manifests that break mutual TLS, or that leave traffic unencrypted'
complete -c meshctl -n "__fish_meshctl_using_subcommand help; and not __fish_seen_subcommand_from tls-check pcap-verify authz-check lint snapshot doctor explain completion __complete help" -f -a "snapshot" -d 'What the other commands would read of a live cluster, as one file: for later, and for places without it'
complete -c meshctl -n "__fish_meshctl_using_subcommand help; and not __fish_seen_subcommand_from tls-check pcap-verify authz-check lint snapshot doctor explain completion __complete help" -f -a "doctor" -d 'What meshctl may read of a live cluster, what it may not, and what that costs'
complete -c meshctl -n "__fish_meshctl_using_subcommand help; and not __fish_seen_subcommand_from tls-check pcap-verify authz-check lint snapshot doctor explain completion __complete help" -f -a "explain" -d 'Explain a failure code (F2), a finding code (MC0001), or an error text from a log'
complete -c meshctl -n "__fish_meshctl_using_subcommand help; and not __fish_seen_subcommand_from tls-check pcap-verify authz-check lint snapshot doctor explain completion __complete help" -f -a "completion" -d 'Print a completion script for a shell'
complete -c meshctl -n "__fish_meshctl_using_subcommand help; and not __fish_seen_subcommand_from tls-check pcap-verify authz-check lint snapshot doctor explain completion __complete help" -f -a "__complete" -d 'The names that a completion script offers'
complete -c meshctl -n "__fish_meshctl_using_subcommand help; and not __fish_seen_subcommand_from tls-check pcap-verify authz-check lint snapshot doctor explain completion __complete help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
