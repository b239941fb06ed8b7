
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
            cand explain 'Explain a failure code (F2), a finding code (MC0001), or an error text from a log'
            cand completion 'Print a completion script for a shell'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'meshctl;tls-check'= {
            cand -f 'File, folder or glob to read; - for standard input. Repeatable'
            cand --filename 'File, folder or glob to read; - for standard input. Repeatable'
            cand -n 'Only services of this namespace; also the namespace of objects that name none. Repeatable'
            cand --namespace 'Only services of this namespace; also the namespace of objects that name none. Repeatable'
            cand --mesh-config 'The mesh''s configuration (meshConfig, or the ConfigMap that holds it), in place of what the input has'
            cand --root-namespace 'The root namespace, where mesh-wide policies live'
            cand --trust-domain 'The mesh''s trust domain'
            cand --istiod-env 'A variable of istiod''s environment that differs from Istio''s default. Repeatable'
            cand --istio-version 'The Istio version whose rules apply, 1.0 to the newest, such as 1.4 or 1.26'
            cand --assume-injected 'Count namespaces that the input does not have as injected'
            cand --from 'Only this client: a workload, with its namespace after a dot, or KIND/NAME'
            cand --to 'Only this service: NAME, NAME.NAMESPACE or a host, with |SUBSET and :PORT if wanted'
            cand -l 'Only Services with these labels'
            cand --selector 'Only Services with these labels'
            cand --status 'Only these statuses: conflict, plaintext, tls, conditional, mixed, unknown, ok, outside'
            cand -o 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit'
            cand --output 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit'
            cand --compat 'The table of an older `istioctl authn tls-check`, byte for byte, with its arguments: POD[.NAMESPACE] [SERVICE], for 1.0 [SERVICE]. Implies that --istio-version; the true verdict goes to standard error'
            cand --fail-on 'What makes the exit code 1: conflict, plaintext, tls, conditional, unknown, outside; or never. Unless given: conflict,conditional,unknown; with --compat: never'
            cand --color 'When to colour the output'
            cand -A 'All namespaces: what files are read with anyway'
            cand --all-namespaces 'All namespaces: what files are read with anyway'
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
            cand -n 'Only proxies of this namespace. Repeatable'
            cand --namespace 'Only proxies of this namespace. Repeatable'
            cand --at 'The time that certificates are judged at, RFC 3339; by default now'
            cand --warn-within 'A certificate with less time left expires soon: 12h, 7d; by default a quarter of its lifetime, at most 30 days'
            cand --compat 'The table of an older command, with its errors; they are named on standard error'
            cand -o 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit'
            cand --output 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit'
            cand --fail-on 'What makes the exit code 1: findings (error; warning: those too; info: all), unread; or never'
            cand --color 'When to colour the output'
            cand --all 'Every listener: those for calls of the workload itself, and of the proxy, one row for each chain'
            cand --clusters 'What the proxy sends: for each cluster and endpoint what crosses, and who the server must be'
            cand --certs 'The certificates, with their chains'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'meshctl;lint'= {
            cand -n 'The namespace of objects that name none'
            cand --namespace 'The namespace of objects that name none'
            cand --config 'The settings, in place of the nearest meshctl.yaml upward from the first PATH'
            cand --mesh-config 'The mesh''s configuration (meshConfig, or the ConfigMap that holds it), in place of what the input has'
            cand --root-namespace 'The root namespace, where mesh-wide policies live'
            cand --trust-domain 'The mesh''s trust domain'
            cand --istiod-env 'A variable of istiod''s environment that differs from Istio''s default. Repeatable'
            cand --istio-version 'The Istio version whose rules apply, 1.0 to the newest, such as 1.4 or 1.26'
            cand --select 'Only these rules: code (MC0201), name (plaintext-to-strict) or beginning (MC02)'
            cand --ignore 'Not these rules: code, name or beginning'
            cand --min-severity 'The least severe finding that is shown'
            cand --min-confidence 'The least sure finding that is shown'
            cand -o 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit'
            cand --output 'Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit'
            cand --fail-on 'The least severe finding that makes the exit code 1; error, unless meshctl.yaml says otherwise'
            cand --color 'When to colour the output'
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
        &'meshctl;help'= {
            cand tls-check 'Who may call whom, with what, and does it work: the matrix of PeerAuthentication and DestinationRule'
            cand pcap-verify 'What crossed the wire: each flow of a packet capture as mutual TLS, TLS, plaintext or unknown, with the evidence'
            cand authz-check 'What the proxies were told: listeners, certificates, mTLS and authorization, out of Envoy config dumps'
            cand lint 'Mistakes in manifests that break mutual TLS, or that leave traffic unencrypted'
            cand explain 'Explain a failure code (F2), a finding code (MC0001), or an error text from a log'
            cand completion 'Print a completion script for a shell'
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
        &'meshctl;help;explain'= {
        }
        &'meshctl;help;completion'= {
        }
        &'meshctl;help;help'= {
        }
    ]
    $completions[$command]
}
