//! One class of clients against one service port: rule, cluster, endpoints, verdicts.

use super::check::{Cell, ClientSet, Row};
use super::client::{Call, Decision, Reach, Uncaptured, Unknown, Why, tls_at};
use super::clients::{self, Class};
use super::endpoints::{Bypass, Endpoint, Front, Who};
use super::engine::Engine;
use super::exceptions;
use super::gateway::{gateway_outcome, sni};
use super::legacy;
use super::outcome::{Condition, Failure, Outcome, PortKind, Sender, ServerSide, Wire, outcome};
use super::reason::Reason;
use super::rules::{self, Entry, Found, Step};
use super::server::{Winners, effective_mode};
use super::visible;
use super::waypoint::{self, Hop};
use crate::model::service::{Origin, Port, Resolution};
use crate::model::sidecar::Outbound;
use crate::model::{Labels, MtlsMode, Proxy, Service};

/// A subset, and what is sent to it.
type Possibility = (Option<(u32, u32)>, Decision);

/// One class against one service port.
pub(super) struct Judged<'a, 'm> {
    pub(super) engine: &'a Engine<'m>,
    pub(super) service: &'m Service,
    pub(super) class: &'a Class,
    pub(super) endpoints: &'a [Endpoint<'m>],
    pub(super) hop: Hop,
}

impl<'a, 'm> Judged<'a, 'm> {
    fn row(&self, subset: Option<(u32, u32)>, decision: Decision, cells: Vec<Cell>) -> Row {
        let (clients, outside) = (ClientSet::default(), self.class.outside);
        Row { port: 0, subset, clients, sample: 0, decision, cells, outside, rivals: Box::default() }
    }

    /// The rows of a port: one for the port itself, one for each subset of the chosen rule.
    pub(super) fn rows(&self, port: Option<&'m Port>, unknown: Option<Reason>) -> Vec<Row> {
        let wides = self.engine.wide.get(&self.service.meta.namespace).map_or(&[][..], Vec::as_slice);
        let undecided = |reason: Reason| {
            let decision = Decision::without_cluster(Reach::Undecided);
            vec![self.row(None, decision, self.all_unknown(reason))]
        };
        let Some(port) = port else { return undecided(Reason::ExternalName) };
        if let Some(reason) = unknown {
            return undecided(reason);
        }
        let legacy = self.engine.legacy.as_ref().map(|legacy| legacy.wides(wides, self.service, port));
        let wides = legacy.as_deref().unwrap_or(wides);
        let reach = match self.reach(port) {
            Ok(reach) => reach,
            Err(reason) => return undecided(reason),
        };
        let route = self
            .engine
            .redirect(self.service, self.class, self.hop)
            .filter(|_| reach == Reach::Known || self.hop != Hop::Direct);
        if let Some(reason) = route {
            return undecided(reason);
        }
        if reach != Reach::Known {
            let decision = Decision::without_cluster(reach);
            let decisions = match self.through(decision, port) {
                Ok(decisions) => decisions,
                Err(reason) => return undecided(reason),
            };
            let each = decisions.iter().flat_map(|d| wides.iter().map(|wide| self.cells(d, *wide, None, port)));
            let cells = self.settled(agree(each.collect()));
            return vec![self.row(None, decisions.first().copied().unwrap_or(decision), cells)];
        }
        let mesh = self.engine.mesh;
        let (client, host) = (&self.class.namespace, &self.service.host);
        let sample = self.class.sample(mesh);
        let selects = |selector: &_| sample.is_some_and(|w| mesh.proxy_selected(selector, w) == Ok(true));
        let chosen: Vec<Option<(&Entry, Step)>> =
            match self.engine.rules.find(mesh, client, host, &self.service.meta.namespace) {
                Found::Unclear => return undecided(Reason::Age),
                Found::Nothing => vec![None],
                Found::Rules(step, rules) => {
                    let choose = |order| rules::choose(mesh, order, step, client, selects).map(|entry| (entry, step));
                    rules.orders.iter().map(|order| choose(order)).collect()
                }
            };
        let mut subsets: Vec<Option<&str>> = vec![None];
        for (rule, at) in chosen.iter().flatten().flat_map(|(entry, _)| &entry.subsets) {
            let name = self.subset(*rule, *at).map(|s| &*s.name);
            if name.is_some() && !subsets.contains(&name) {
                subsets.push(name);
            }
        }
        subsets.into_iter().map(|name| self.judge_subset(port, name, &chosen, wides)).collect()
    }

    fn subset(&self, rule: u32, at: u32) -> Option<&'m crate::model::destination_rule::Subset> {
        self.engine.mesh.rules.get(rule as usize)?.subsets.get(at as usize)
    }

    fn judge_subset(
        &self,
        port: &'m Port,
        name: Option<&str>,
        chosen: &[Option<(&'a Entry, Step)>],
        wides: &[Winners],
    ) -> Row {
        let mesh = self.engine.mesh;
        let mut all = Vec::new();
        let mut decisions: Vec<Possibility> = Vec::new();
        for entry in chosen {
            let subset = name.and_then(|name| {
                let of = entry.map_or(&[][..], |(entry, _)| &entry.subsets);
                of.iter().copied().find(|(rule, at)| self.subset(*rule, *at).is_some_and(|s| *s.name == *name))
            });
            for wide in wides {
                if name.is_some() && subset.is_none() {
                    // In this order of rules the subset does not exist, so no answer stands.
                    all.push(self.all_unknown(Reason::Age));
                    continue;
                }
                let call = Call {
                    proxy: self.class.proxy,
                    hbone: self.class.hbone,
                    service: self.service,
                    port: port.number,
                    entry: *entry,
                    subset,
                    wide: *wide,
                    endpoints: self.endpoints,
                    files: self.class.files,
                };
                let ways = match self.through(call.decide(mesh), port) {
                    Ok(ways) => ways,
                    Err(reason) => {
                        all.push(self.all_unknown(reason));
                        continue;
                    }
                };
                for decision in ways {
                    decisions.push((subset, decision));
                    all.push(match decision.why {
                        Why::TlsModeUnknown => self.all_unknown(self.unsure_endpoint()),
                        _ => self.cells(&decision, *wide, subset, port),
                    });
                }
            }
        }
        let nothing = (None, Decision::without_cluster(Reach::Undecided));
        let (subset, mut decision) = decisions.first().copied().unwrap_or(nothing);
        let differs =
            |of: &dyn Fn(&Decision) -> Option<&'static str>| decisions.iter().any(|d| of(&d.1) != of(&decision));
        let rule = |d: &Decision| d.rule.map(|(number, _)| number);
        // What the possible orders of rules disagree on is not said.
        if decisions.iter().any(|d| rule(&d.1) != rule(&decision)) || differs(&|d| d.client_tls()) {
            decision = Decision { rule: None, tls: None, tag: None, why: Why::Undecided, ..decision };
        }
        let cells = self.settled(agree(all));
        let mut row = self.row(subset, decision, cells);
        if row.decision.why == Why::Undecided {
            row.rivals = rivals(chosen);
        }
        row
    }

    /// A decision with the waypoint that the call goes through, per possibility: just itself, where there is none.
    fn through(&self, decision: Decision, port: &Port) -> Result<Vec<Decision>, Reason> {
        let takes = matches!(decision.reach, Reach::Ztunnel | Reach::Known);
        let waypoint = match self.hop {
            Hop::Through(number) if takes => Some(number),
            Hop::Unclear if takes => None,
            _ => return Ok(vec![decision]),
        };
        // A gateway that sends no HBONE cannot call a waypoint.
        if decision.reach == Reach::Known && !self.class.hbone {
            return Err(Reason::Waypoint);
        }
        let (engine, mesh) = (self.engine, self.engine.mesh);
        let waypoints = &engine.finder.waypoints;
        let namespace = waypoint.and_then(|n| waypoints.get(n)).map(|waypoint| &waypoint.namespace);
        let near =
            [Some(&mesh.root), namespace].into_iter().flatten().filter_map(|ns| mesh.index.interferences.get(ns));
        let patches = |n: &&u32| mesh.interferences.get(**n as usize).is_some();
        if let Some(number) = near.flatten().find(patches) {
            return Err(Reason::Interference(*number));
        }
        let legs = waypoint::legs(mesh, &engine.rules, waypoints, waypoint, self.service, port.number);
        let behind = legs.ok_or(Reason::Age)?.into_iter().map(|leg| Decision { leg: Some(leg), ..decision });
        let straight = (self.hop == Hop::Unclear).then_some(decision);
        Ok(behind.chain(straight).collect())
    }

    /// What hangs on whether the waypoint is there hangs on nothing's age.
    fn settled(&self, mut cells: Vec<Cell>) -> Vec<Cell> {
        for cell in cells.iter_mut().filter(|cell| self.hop == Hop::Unclear && cell.reason == Some(Reason::Age)) {
            cell.reason = Some(Reason::Waypoint);
        }
        cells
    }

    /// Why it is not certain what an endpoint is announced with.
    fn unsure_endpoint(&self) -> Reason {
        let unsure = self.endpoints.iter().find(|endpoint| !endpoint.tls_known);
        match unsure.map(|endpoint| endpoint.front) {
            Some(Front::Unknown(reason)) => reason,
            _ => Reason::MissingPod,
        }
    }

    /// How the class comes to the service port.
    fn reach(&self, port: &Port) -> Result<Reach, Reason> {
        let (mesh, class) = (self.engine.mesh, self.class);
        if let Some(why) = class.uncaptured {
            return Ok(Reach::NotCaptured(why));
        }
        match class.proxy {
            Proxy::None => return Ok(Reach::NoProxy),
            Proxy::Ambient => return Ok(Reach::Ztunnel),
            Proxy::Waypoint => return Err(Reason::WaypointServer),
            Proxy::Sidecar | Proxy::Gateway | Proxy::Grpc => {}
        }
        if self.service.origin != Origin::Kubernetes && mesh.config.entry_visibility {
            return Err(Reason::EntryVisibility);
        }
        if class.capture {
            let ips: Vec<&str> = self.endpoints.iter().filter_map(|e| e.address).collect();
            let sample = class.sample(mesh);
            match sample.and_then(|w| visible::outbound_captured(w, self.service, port.number, &ips)) {
                Some(true) => {}
                Some(false) => return Ok(Reach::NotCaptured(Uncaptured::Annotation)),
                None => return Err(Reason::CaptureByAddress),
            }
        }
        let sidecar = class.sidecars.first().copied().flatten();
        let imports = sidecar.and_then(|n| Some((n, self.engine.imports.get(n, &class.namespace)?)));
        let unknown = match imports {
            _ if visible::outside(mesh, self.service) => Some(Unknown::NotMember),
            _ if !visible::exported(mesh, self.service, &class.namespace) => Some(Unknown::NotExported),
            Some((n, imports)) if !imports.has(self.service, port.number) => Some(Unknown::NotImported(n)),
            _ => None,
        };
        let Some(unknown) = unknown else { return Ok(Reach::Known) };
        if matches!(unknown, Unknown::NotImported(_)) && self.engine.taints.routes.is_some() {
            return Err(Reason::RoutesUnread);
        }
        match clients::outbound_policy(mesh, class) {
            Outbound::AllowAny => Ok(Reach::PassedThrough(unknown)),
            Outbound::RegistryOnly => Ok(Reach::BlackHoled(unknown)),
            Outbound::Other => Err(Reason::OutboundPolicy),
        }
    }

    fn all_unknown(&self, reason: Reason) -> Vec<Cell> {
        let cell = |endpoint| Cell {
            endpoint,
            mode: None,
            from: None,
            wire: None,
            outcome: Outcome::UNKNOWN,
            reason: Some(reason),
        };
        match self.endpoints.len() {
            0 => vec![cell(None)],
            count => (0..u32::try_from(count).unwrap_or(u32::MAX)).map(|n| cell(Some(n))).collect(),
        }
    }

    /// The cells of a decision, for one pair of wide policies.
    fn cells(&self, decision: &Decision, wide: Winners, subset: Option<(u32, u32)>, port: &Port) -> Vec<Cell> {
        let labels = subset.and_then(|(rule, at)| self.subset(rule, at)).map(|s| &s.labels);
        // Of a pod that is not in the input, and of workloads that only policies speak of, no label is known.
        let unseen = |e: &Endpoint<'_>| matches!(e.who, Who::MissingPod | Who::Imagined(_));
        let carries = |e: &Endpoint<'_>, labels: &Labels| e.labels.is_some_and(|own| labels.subset_of(own));
        let wanted = |e: &Endpoint<'_>| labels.is_none_or(|labels| unseen(e) || carries(e, labels));
        let found = (0..).zip(self.endpoints).filter(|(_, endpoint)| wanted(endpoint));
        let cells: Vec<Cell> = found.map(|(at, endpoint)| self.cell(decision, wide, at, endpoint, port)).collect();
        if !cells.is_empty() {
            return cells;
        }
        let asis = decision.reach == Reach::Ztunnel && decision.leg.is_none();
        let wire = decision.wire_without_endpoint();
        // What is called outside the mesh by its own address answers for itself.
        let outside = self.service.origin == Origin::MeshExternal && self.service.resolution == Resolution::Passthrough;
        let (outcome, reason) = match wire {
            Some(Wire::None) => (Outcome::REFUSED, None),
            Some(Wire::Plaintext) if outside => (Outcome::PLAINTEXT, None),
            None if outside && asis => (Outcome::PLAINTEXT, None),
            Some(Wire::Tls | Wire::MutualTls) if outside => (Outcome::TLS, None),
            Some(Wire::Mtls) if outside => (Outcome::UNKNOWN, Some(Reason::ExternalMtls)),
            _ => (Outcome::UNKNOWN, Some(Reason::NoEndpoint)),
        };
        let wire = wire.or((outside && asis).then_some(Wire::Plaintext));
        vec![Cell { endpoint: None, mode: None, from: None, wire, outcome, reason }]
    }

    /// The cell of one endpoint: every possibility of its policies and protocols, where they agree.
    fn cell(&self, decision: &Decision, wide: Winners, at: u32, endpoint: &Endpoint<'m>, port: &Port) -> Cell {
        if let ([workload], [kind], [], []) =
            (&endpoint.policies[..], &endpoint.port_kinds[..], &endpoint.own_policies[..], &endpoint.legacy[..])
        {
            let winners = Winners { workload: *workload, ..wide };
            return self.possibility(decision, winners, None, at, endpoint, *kind, port);
        }
        let mut all = Vec::new();
        // What its own proxy obeys, where that is another policy than clients see.
        let own: Vec<Option<Option<u32>>> = match endpoint.own_policies.is_empty() {
            true => vec![None],
            false => endpoint.own_policies.iter().map(|policy| Some(*policy)).collect(),
        };
        for workload in &endpoint.policies {
            let old: &[Option<u32>] = if endpoint.legacy.is_empty() { &[None] } else { &endpoint.legacy };
            let kinds = old.iter().flat_map(|n| endpoint.port_kinds.iter().map(|kind| (*n, *kind)));
            for (legacy, kind, own) in kinds.flat_map(|(n, kind)| own.iter().map(move |own| (n, kind, *own))) {
                let winners = Winners { workload: *workload, legacy, ..wide };
                all.push(vec![self.possibility(decision, winners, own, at, endpoint, kind, port)]);
            }
        }
        let several_kinds = endpoint.port_kinds.len() > 1 && endpoint.policies.len() == 1;
        let mut cell = agree(all).pop().unwrap_or(Cell {
            endpoint: Some(at),
            mode: None,
            from: None,
            wire: None,
            outcome: Outcome::UNKNOWN,
            reason: Some(Reason::NotInTable),
        });
        if cell.reason == Some(Reason::Age) && endpoint.legacy.len() > 1 {
            cell.reason = Some(Reason::LegacyOrder);
        } else if cell.reason == Some(Reason::Age) && several_kinds {
            cell.reason = Some(Reason::PortProtocol);
        }
        cell
    }

    #[expect(clippy::too_many_arguments, reason = "one possibility is what all of these are")]
    fn possibility(
        &self,
        decision: &Decision,
        winners: Winners,
        own: Option<Option<u32>>,
        at: u32,
        endpoint: &Endpoint<'m>,
        kind: PortKind,
        port: &Port,
    ) -> Cell {
        let mesh = self.engine.mesh;
        let old = mesh.version.reads_legacy_policies();
        let mode = |winners| match old {
            false => effective_mode(&mesh.policies, winners, endpoint.port),
            true => legacy::effective_mode(mesh, winners, endpoint.port),
        };
        let (effective, from) = mode(winners);
        let seen = if old { MtlsMode::Permissive } else { effective };
        let (sent, wire) = (decision.wire(endpoint, seen), decision.arrives(endpoint, seen));
        let (effective, from) = own.map_or((effective, from), |workload| mode(Winners { workload, ..winners }));
        let sender = match decision.reach {
            Reach::Ztunnel => Sender::Ztunnel,
            _ if decision.leg.is_some() => Sender::Ztunnel,
            Reach::NoProxy | Reach::NotCaptured(_) => Sender::Application,
            _ => Sender::Proxy,
        };
        let by_policy = |own: Option<bool>| match (effective, own) {
            (MtlsMode::Strict, _) => ServerSide::Strict,
            (MtlsMode::Permissive, _) => ServerSide::Permissive,
            (MtlsMode::Disable, None) => ServerSide::Disable,
            (MtlsMode::Disable, Some(false)) => ServerSide::OwnTls,
            (MtlsMode::Disable, Some(true)) => ServerSide::OwnMutualTls,
        };
        let made = |mode, from, result| Cell {
            endpoint: Some(at),
            mode: Some(mode),
            from,
            wire: Some(sent),
            outcome: result,
            reason: (result == Outcome::UNKNOWN).then_some(Reason::NotInTable),
        };
        let external = self.service.origin == Origin::MeshExternal;
        let workload = if let Who::Workload(n) = endpoint.who { mesh.workloads.get(n as usize) } else { None };
        let server_files = workload.is_some_and(|workload| workload.metadata.has_server_files());
        let without_proxy = |side| {
            let found = outcome(wire, side, kind, sender);
            exceptions::of_files(decision, false, wire, side, kind, found)
        };
        let mut cell = match endpoint.front {
            Front::Unknown(reason) => {
                let known = matches!(reason, Reason::NoGatewayServer | Reason::GatewayServers);
                let wire = Some(sent).filter(|_| known);
                Cell {
                    endpoint: Some(at),
                    mode: None,
                    from: None,
                    wire,
                    outcome: Outcome::UNKNOWN,
                    reason: Some(reason),
                }
            }
            Front::NoProxy if external && wire == Wire::Mtls => {
                Cell { reason: Some(Reason::ExternalMtls), ..made("NONE", None, Outcome::UNKNOWN) }
            }
            // TLS origination: the server outside the mesh terminates it, whatever the port is called inside.
            Front::NoProxy if external && matches!(wire, Wire::Tls | Wire::MutualTls) => {
                made("NONE", None, Outcome::TLS)
            }
            Front::NoProxy => made("NONE", None, without_proxy(ServerSide::NoProxy)),
            Front::Bypassed(Bypass::GatewayTemplate) if self.engine.taints.gateways.is_some() => {
                let reason = self.engine.taints.gateways.map(Reason::Taint);
                Cell { reason, mode: None, ..made("", None, Outcome::UNKNOWN) }
            }
            Front::Bypassed(_) => made("NONE", None, without_proxy(ServerSide::Bypassed)),
            Front::Policy => {
                let side = by_policy(None);
                let old = exceptions::of_version(mesh, wire, side, kind, sender);
                let found = old.unwrap_or_else(|| outcome(wire, side, kind, sender));
                let found = exceptions::of_files(decision, server_files, wire, side, kind, found);
                made(effective.word(), Some(from), found)
            }
            Front::Grpc(listener) => {
                made(effective.word(), Some(from), listener.outcome(wire, effective, kind, sender))
            }
            Front::Ambient(demand) => {
                let open = made("PERMISSIVE", Some(demand.from), outcome(wire, ServerSide::AmbientOpen, kind, sender));
                let strict = made("STRICT", Some(demand.from), outcome(wire, ServerSide::AmbientStrict, kind, sender));
                match demand.refused {
                    Some(false) => open,
                    Some(true) => strict,
                    None => agree(vec![vec![open], vec![strict]]).pop().unwrap_or(open),
                }
            }
            Front::OwnTls(mutual) => {
                made(effective.word(), Some(from), outcome(wire, by_policy(Some(mutual)), kind, sender))
            }
            Front::Gateway(gateway, server) => {
                if let Some(number) = self.engine.taints.gateways {
                    return Cell {
                        reason: Some(Reason::Taint(number)),
                        mode: None,
                        ..made("", None, Outcome::UNKNOWN)
                    };
                }
                let Some(server) = mesh.gateways.get(gateway as usize).and_then(|g| g.servers.get(server as usize))
                else {
                    return made("NONE", None, Outcome::UNKNOWN);
                };
                let sni = sni(mesh, decision, &self.service.host, port.number, None);
                let (result, reason) = gateway_outcome(wire, server.tls, kind, sni.as_deref(), &endpoint.server_names);
                let result = match result {
                    Outcome::OK if server_files => Outcome::if_only(Condition::ServerFiles),
                    other => other,
                };
                Cell { reason, ..made(server.tls.word(), None, result) }
            }
        };
        if matches!(endpoint.front, Front::Policy) && legacy::allows_tls(mesh, from, wire) {
            (cell.outcome, cell.reason) = (Outcome::UNKNOWN, Some(Reason::AllowTls));
        }
        if wire == Wire::Hbone && endpoint.listens != Some(true) && !matches!(endpoint.front, Front::Unknown(_)) {
            (cell.outcome, cell.reason) = (Outcome::UNKNOWN, Some(Reason::Tunnel));
        }
        // Through the waypoint of a pod, or straight.
        if decision.reach == Reach::Ztunnel && endpoint.hop == Hop::Unclear && sent == Wire::Plaintext {
            cell.wire = None;
        }
        if cell.outcome == Outcome::OK && wire == Wire::Mtls {
            self.check_identity(decision, endpoint, &mut cell);
        }
        cell
    }

    /// A rule with `subjectAltNames` accepts only servers of these identities (D17).
    fn check_identity(&self, decision: &Decision, endpoint: &Endpoint<'m>, cell: &mut Cell) {
        let mesh = self.engine.mesh;
        let Some(tls) = decision.tls.and_then(|(_, from)| tls_at(mesh, from)).filter(|tls| !tls.sans.is_empty()) else {
            return;
        };
        let namespace = &self.service.meta.namespace;
        cell.outcome = match endpoint.account {
            None => Outcome::if_only(Condition::Identity),
            Some(account) => {
                let identity = format!("spiffe://{}/ns/{namespace}/sa/{account}", mesh.trust_domain);
                if tls.sans.iter().any(|san| **san == *identity) { Outcome::OK } else { Outcome::fails(Failure::F5) }
            }
        };
    }
}

/// The rules of which one or the other counts: those whose policies do, else those that give their names.
fn rivals(chosen: &[Option<(&Entry, Step)>]) -> Box<[u32]> {
    let distinct = |of: &dyn Fn(&Entry) -> u32| {
        let mut numbers: Vec<u32> = chosen.iter().flatten().map(|(entry, _)| of(entry)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    };
    let policies = distinct(&|entry| entry.policy.unwrap_or(entry.first));
    let all = if policies.len() > 1 { policies } else { distinct(&|entry| entry.first) };
    if all.len() > 1 { all.into() } else { Box::default() }
}

/// Joins the answers of several possibilities: equal ones stand, a status that differs is UNKNOWN.
fn agree(all: Vec<Vec<Cell>>) -> Vec<Cell> {
    let mut others = all.into_iter();
    let Some(first) = others.next() else { return Vec::new() };
    let others: Vec<_> = others.collect();
    let same_shape = others.iter().all(|cells| cells.len() == first.len());
    let join = |(at, mut cell): (usize, Cell)| {
        for other in others.iter().filter_map(|cells| cells.get(at)) {
            if cell.mode != other.mode {
                (cell.mode, cell.from) = (None, None);
            }
            if cell.wire != other.wire {
                cell.wire = None;
            }
            if cell.outcome.status != other.outcome.status || !same_shape {
                (cell.outcome, cell.reason) = (Outcome::UNKNOWN, Some(Reason::Age));
            } else if cell.outcome.failure != other.outcome.failure {
                cell.outcome.failure = None;
            }
        }
        cell
    };
    first.into_iter().enumerate().map(join).collect()
}
