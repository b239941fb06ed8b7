
use builtin;
use str;

set edit:completion:arg-completer[meshctl] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'meshctl'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'meshctl'= {
            cand --color 'When to colour the output'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
            cand tls-check 'Who may call whom, with what, and does it work: the matrix of PeerAuthentication and DestinationRule'
            cand pcap-verify 'What crossed the wire: each flow of a packet capture as mutual TLS, TLS, plaintext or unknown, with the evidence'
            cand authz-check 'What the proxies were told: listeners, certificates, mTLS and authorization, out of Envoy config dumps'
            cand lint 'Mistakes in manifests that break mutual TLS, or that leave traffic unencrypted'
            cand snapshot 'What the other commands would read of a live cluster, as one file: for later, and for places without it'
            cand doctor 'What meshctl may read of a live cluster, what it may not, and what that costs'
            cand explain 'Explain a failure code (F2), a finding code (MC0001), or an error text from a log'
            cand completion 'Print a completion script for a shell'
            cand __complete 'The names that a completion script offers'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'meshctl;tls-check'= {
            cand -f 'File, folder or glob to read, in place of the live cluster; - for standard input. Repeatable'
            cand --filename 'File, folder or glob to read, in place of the live cluster; - for standard input. Repeatable'
            cand -n 'Only services of this namespace; also the namespace of objects that name none. Repeatable'
            cand --namespace 'Only services of this namespace; also the namespace of objects that name none. Repeatable'
            cand --kubeconfig 'The kubeconfig file; by default those of KUBECONFIG, else ~/.kube/config'
            cand --context 'The context of the kubeconfig to use'
            cand -s 'The address of the API server'
            cand --server 'The address of the API server'
            cand --token 'The bearer token'
            cand --certificate-authority 'The CA that the API server''s certificate must build to'
            cand --as 'The user to impersonate'
            cand --as-group 'A group to impersonate. Repeatable'
            cand --request-timeout 'How long one request may take, retries included: 1s, 2m; 0 waits for ever'
            cand -i 'The namespace of Istio''s control plane'
            cand --istio-namespace 'The namespace of Istio''s control plane'
            cand --mesh-config 'The mesh''s configuration (meshConfig, or the ConfigMap that holds it), in place of what the input has'
            cand --root-namespace 'The root namespace, where mesh-wide policies live'
            cand --trust-domain 'The mesh''s trust domain'
            cand --istiod-env 'A variable of istiod''s environment that differs from Istio''s default. Repeatable'
            cand --revision 'The control plane to judge: it sees the objects and injects the pods of its revision'
            cand --istio-version 'The Istio version whose rules apply, 1.0 to the newest, such as 1.4 or 1.26'
            cand --assume-injected 'Count namespaces that the input does not have as injected'
            cand --from 'Only this client: a workload, with its namespace after a dot, or KIND/NAME'
            cand --to 'Only this service: NAME, NAME.NAMESPACE or a host, with |SUBSET and :PORT if wanted'
            cand -l 'Only Services with these labels'
            cand --selector 'Only Services with these labels'
            cand --status 'Only these statuses: conflict, plaintext, tls, conditional, mixed, unknown, ok, outside'
            cand -o 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit'
            cand --output 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit'
            cand --compat 'The table of an older `istioctl authn tls-check`, byte for byte, with its arguments: POD[.NAMESPACE] and a SERVICE, for 1.0 the SERVICE alone. Implies that --istio-version; the true verdict goes to standard error'
            cand --fail-on 'What makes the exit code 1: conflict, plaintext, tls, conditional, unknown, outside; or never. Unless given: conflict,conditional,unknown; with --compat: never'
            cand --color 'When to colour the output'
            cand -A 'All namespaces: what files are read with anyway; of a cluster by default the context''s'
            cand --all-namespaces 'All namespaces: what files are read with anyway; of a cluster by default the context''s'
            cand --insecure-skip-tls-verify 'Do not check the API server''s certificate: whoever answers is believed'
            cand --strict-read 'What could not be read ends the run, in place of UNKNOWN rows and a finding'
            cand --expand 'One row for each client and endpoint, in place of groups'
            cand --why 'For each row the chain of decisions: object, file, line and field; and what mends a CONFLICT'
            cand --matrix 'The grid of clients and services'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'meshctl;pcap-verify'= {
            cand --ca 'Certificates (PEM) of a CA that the certificates on the wire must build to. Repeatable'
            cand --require 'What each judged flow must be; one that is less is of the class required'
            cand --min-grade 'The weakest grade that shows mutual TLS'
            cand --exempt 'Plaintext that does not count: port=, net=, client=, server=, protocol=, joined by commas that mean AND. Repeatable'
            cand -o 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit'
            cand --output 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit'
            cand --fail-on 'What makes the exit code 1: plaintext, failed, unknown, required; or never'
            cand --color 'When to colour the output'
            cand --no-exemptions 'No exemption but those of --exempt: probes, metrics, DNS and loopback count too'
            cand --judge-loopback 'Loopback counts, and what goes between an application and its own sidecar'
            cand --flows 'One row for each flow, in place of one for each edge'
            cand --show-payload 'The first bytes of flows in clear, at most 120, escaped. They may hold secrets'
            cand --sha256 'The SHA-256 of each file'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'meshctl;authz-check'= {
            cand -f 'Config dump to read, also compressed with gzip or zstd; file, folder or glob; - for standard input. Repeatable'
            cand --filename 'Config dump to read, also compressed with gzip or zstd; file, folder or glob; - for standard input. Repeatable'
            cand -n 'Only proxies of this namespace; of a cluster the namespace of the pod, by default the context''s. Repeatable with -f'
            cand --namespace 'Only proxies of this namespace; of a cluster the namespace of the pod, by default the context''s. Repeatable with -f'
            cand --save 'Keep the dumps in this folder, as POD.NAMESPACE.json; never over other content'
            cand --kubeconfig 'The kubeconfig file; by default those of KUBECONFIG, else ~/.kube/config'
            cand --context 'The context of the kubeconfig to use'
            cand -s 'The address of the API server'
            cand --server 'The address of the API server'
            cand --token 'The bearer token'
            cand --certificate-authority 'The CA that the API server''s certificate must build to'
            cand --as 'The user to impersonate'
            cand --as-group 'A group to impersonate. Repeatable'
            cand --request-timeout 'How long one request may take, retries included: 1s, 2m; 0 waits for ever'
            cand --at 'The time that certificates are judged at, RFC 3339; by default now'
            cand --warn-within 'A certificate with less time left expires soon: 12h, 7d; by default a quarter of its lifetime, at most 30 days'
            cand --compat 'The table of an older command, with its errors; they are named on standard error'
            cand -o 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit'
            cand --output 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit'
            cand --fail-on 'What makes the exit code 1: findings (error; warning: those too; info: all), unread; or never'
            cand --color 'When to colour the output'
            cand --all-pods 'Every pod of the workload, or without a name of the namespace, in place of the first ready one'
            cand --insecure-skip-tls-verify 'Do not check the API server''s certificate: whoever answers is believed'
            cand --all 'Every listener: those for calls of the workload itself, and of the proxy, one row for each chain'
            cand --clusters 'What the proxy sends: for each cluster and endpoint what crosses, and who the server must be'
            cand --certs 'The certificates, with their chains'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'meshctl;lint'= {
            cand -n 'The namespace of objects that name none (by default `default`); with --cluster the one to read'
            cand --namespace 'The namespace of objects that name none (by default `default`); with --cluster the one to read'
            cand --kubeconfig 'The kubeconfig file; by default those of KUBECONFIG, else ~/.kube/config'
            cand --context 'The context of the kubeconfig to use'
            cand -s 'The address of the API server'
            cand --server 'The address of the API server'
            cand --token 'The bearer token'
            cand --certificate-authority 'The CA that the API server''s certificate must build to'
            cand --as 'The user to impersonate'
            cand --as-group 'A group to impersonate. Repeatable'
            cand --request-timeout 'How long one request may take, retries included: 1s, 2m; 0 waits for ever'
            cand -i 'The namespace of Istio''s control plane'
            cand --istio-namespace 'The namespace of Istio''s control plane'
            cand --config 'The settings, in place of the nearest meshctl.yaml upward from the first PATH'
            cand --mesh-config 'The mesh''s configuration (meshConfig, or the ConfigMap that holds it), in place of what the input has'
            cand --root-namespace 'The root namespace, where mesh-wide policies live'
            cand --trust-domain 'The mesh''s trust domain'
            cand --istiod-env 'A variable of istiod''s environment that differs from Istio''s default. Repeatable'
            cand --revision 'The control plane to judge: it sees the objects and injects the pods of its revision'
            cand --istio-version 'The Istio version whose rules apply, 1.0 to the newest, such as 1.4 or 1.26'
            cand --select 'Only these rules: code (MC0201), name (plaintext-to-strict) or beginning (MC02)'
            cand --ignore 'Not these rules: code, name or beginning'
            cand --min-severity 'The least severe finding that is shown'
            cand --min-confidence 'The least sure finding that is shown'
            cand -o 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit'
            cand --output 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit'
            cand --fail-on 'The least severe finding that makes the exit code 1; error, unless meshctl.yaml says otherwise'
            cand --color 'When to colour the output'
            cand --cluster 'Read the live cluster, in place of files'
            cand -A 'With --cluster: all namespaces'
            cand --all-namespaces 'With --cluster: all namespaces'
            cand --insecure-skip-tls-verify 'Do not check the API server''s certificate: whoever answers is believed'
            cand --strict-read 'What could not be read ends the run, in place of UNKNOWN rows and a finding'
            cand --no-ignores 'Show also what comments and annotations in the manifests ignore'
            cand --allow-empty 'Exit code 0, not 3, where there is nothing to check: for hooks that pass the files that changed'
            cand --init 'Write a commented meshctl.yaml (or the file of --config), and do nothing else; never over one that is there'
            cand --show-settings 'Print the settings that hold and where each comes from, and do nothing else'
            cand --show-files 'Print the files that would be read, and do nothing else'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'meshctl;snapshot'= {
            cand -o 'File to write, for its owner only; - for standard output'
            cand --output 'File to write, for its owner only; - for standard output'
            cand -n 'Only this namespace, and those of the control plane; by default the context''s. Repeatable'
            cand --namespace 'Only this namespace, and those of the control plane; by default the context''s. Repeatable'
            cand --root-namespace 'The root namespace, where mesh-wide policies live, if the mesh''s configuration cannot be read'
            cand --revision 'The revision of the control plane; by default `default`, or the only one'
            cand --kubeconfig 'The kubeconfig file; by default those of KUBECONFIG, else ~/.kube/config'
            cand --context 'The context of the kubeconfig to use'
            cand -s 'The address of the API server'
            cand --server 'The address of the API server'
            cand --token 'The bearer token'
            cand --certificate-authority 'The CA that the API server''s certificate must build to'
            cand --as 'The user to impersonate'
            cand --as-group 'A group to impersonate. Repeatable'
            cand --request-timeout 'How long one request may take, retries included: 1s, 2m; 0 waits for ever'
            cand -i 'The namespace of Istio''s control plane'
            cand --istio-namespace 'The namespace of Istio''s control plane'
            cand --color 'When to colour the output'
            cand --force 'Write over a file that is there'
            cand --allow-partial 'Exit code 0 also where something could not be read; the file says what'
            cand -A 'All namespaces'
            cand --all-namespaces 'All namespaces'
            cand --insecure-skip-tls-verify 'Do not check the API server''s certificate: whoever answers is believed'
            cand --strict-read 'What could not be read ends the run, in place of UNKNOWN rows and a finding'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'meshctl;doctor'= {
            cand -n 'For this namespace, and those of the control plane; by default the context''s. Repeatable'
            cand --namespace 'For this namespace, and those of the control plane; by default the context''s. Repeatable'
            cand --revision 'The revision of the control plane; by default `default`, or the only one'
            cand --kubeconfig 'The kubeconfig file; by default those of KUBECONFIG, else ~/.kube/config'
            cand --context 'The context of the kubeconfig to use'
            cand -s 'The address of the API server'
            cand --server 'The address of the API server'
            cand --token 'The bearer token'
            cand --certificate-authority 'The CA that the API server''s certificate must build to'
            cand --as 'The user to impersonate'
            cand --as-group 'A group to impersonate. Repeatable'
            cand --request-timeout 'How long one request may take, retries included: 1s, 2m; 0 waits for ever'
            cand -i 'The namespace of Istio''s control plane'
            cand --istio-namespace 'The namespace of Istio''s control plane'
            cand -o 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit'
            cand --output 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit'
            cand --color 'When to colour the output'
            cand -A 'For all namespaces'
            cand --all-namespaces 'For all namespaces'
            cand --insecure-skip-tls-verify 'Do not check the API server''s certificate: whoever answers is believed'
            cand --strict-read 'What could not be read ends the run, in place of UNKNOWN rows and a finding'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'meshctl;explain'= {
            cand --color 'When to colour the output'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'meshctl;completion'= {
            cand --color 'When to colour the output'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'meshctl;__complete'= {
            cand --color 'When to colour the output'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'meshctl;help'= {
            cand tls-check 'Who may call whom, with what, and does it work: the matrix of PeerAuthentication and DestinationRule'
            cand pcap-verify 'What crossed the wire: each flow of a packet capture as mutual TLS, TLS, plaintext or unknown, with the evidence'
            cand authz-check 'What the proxies were told: listeners, certificates, mTLS and authorization, out of Envoy config dumps'
            cand lint 'Mistakes in manifests that break mutual TLS, or that leave traffic unencrypted'
            cand snapshot 'What the other commands would read of a live cluster, as one file: for later, and for places without it'
            cand doctor 'What meshctl may read of a live cluster, what it may not, and what that costs'
            cand explain 'Explain a failure code (F2), a finding code (MC0001), or an error text from a log'
            cand completion 'Print a completion script for a shell'
            cand __complete 'The names that a completion script offers'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'meshctl;help;tls-check'= {
        }
        &'meshctl;help;pcap-verify'= {
        }
        &'meshctl;help;authz-check'= {
        }
        &'meshctl;help;lint'= {
        }
        &'meshctl;help;snapshot'= {
        }
        &'meshctl;help;doctor'= {
        }
        &'meshctl;help;explain'= {
        }
        &'meshctl;help;completion'= {
        }
        &'meshctl;help;__complete'= {
        }
        &'meshctl;help;help'= {
        }
    ]
    $completions[$command]
}
