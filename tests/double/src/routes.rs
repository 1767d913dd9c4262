//! What the server does when it is asked.

use crate::Api;
use crate::fault::{over_budget, status};
use crate::http::Recorded;
use crate::respond::Reply;
use crate::select;
use crate::store::resource_of;
use crate::stream::Watch;
use crate::tokens;
use serde_json::{Value, json};
use std::time::Duration;

/// A path taken apart.
struct Place {
    group_version: String,
    resource: String,
    namespace: Option<String>,
    name: Option<String>,
    subresource: Option<String>,
}

impl Place {
    fn of(path: &str) -> Option<Self> {
        let mut steps: Vec<String> = path.trim_matches('/').split('/').map(str::to_owned).collect();
        let depth = match steps.first().map(String::as_str) {
            Some("api") => 2,
            Some("apis") => 3,
            _ => return None,
        };
        if steps.len() <= depth {
            return None;
        }
        let rest = steps.split_off(depth);
        let group_version = steps[1..].join("/");
        let mut rest = rest.into_iter().peekable();
        let mut namespace = None;
        let mut resource = rest.next()?;
        if resource == "namespaces" {
            let name = rest.next();
            match rest.next() {
                Some(inner) => {
                    namespace = name;
                    resource = inner;
                }
                None => {
                    return Some(Self {
                        group_version,
                        resource,
                        namespace,
                        name,
                        subresource: None,
                    });
                }
            }
        }
        let resource = match group_version.split_once('/') {
            Some((group, _)) => format!("{group}/{resource}"),
            None => resource,
        };
        let (name, subresource) = (rest.next(), rest.next());
        Some(Self { group_version, resource, namespace, name, subresource })
    }

    fn verb(&self, request: &Recorded) -> &'static str {
        match (request.method.as_str(), &self.name) {
            ("GET", Some(_)) => "get",
            ("GET", None) if request.query.contains("watch=1") => "watch",
            ("GET", None) => "list",
            ("POST", _) => "create",
            ("DELETE", _) => "delete",
            ("PATCH", _) => "patch",
            _ => "update",
        }
    }

    /// The resource without its group, with its subresource: `pods/eviction`.
    fn plain(&self) -> String {
        let resource = self.resource.rsplit('/').next().unwrap_or_default();
        match &self.subresource {
            Some(sub) => format!("{resource}/{sub}"),
            None => resource.to_owned(),
        }
    }
}

pub(crate) fn route(api: &Api, request: &Recorded) -> Reply {
    if let Some(token) = &api.0.setup.token
        && request.headers.get("authorization") != Some(&format!("Bearer {token}"))
    {
        return failure(401, "Unauthorized", "Unauthorized", &json!({}));
    }
    if let Some(reply) = discovery(api, &request.path) {
        return reply;
    }
    if request.path == "/readyz" {
        return Reply::Body(200, b"ok".to_vec());
    }
    let Some(place) = Place::of(&request.path) else {
        return Reply::Body(404, b"404 page not found\n".to_vec());
    };
    if !api.0.setup.groups.contains(&place.group_version) {
        return Reply::Body(404, b"404 page not found\n".to_vec());
    }
    if place.resource.ends_with("selfsubjectaccessreviews") {
        return review(api, request);
    }
    let verb = place.verb(request);
    let is_review = place.resource.ends_with("tokenreviews");
    if is_denied(api, verb, &place.plain()) {
        let message =
            format!("{} is forbidden: User \"double\" cannot {verb} resource", place.plain());
        return failure(403, "Forbidden", &message, &json!({}));
    }
    if is_review {
        return tokens::review(api, request);
    }
    let namespace = place.namespace.clone().unwrap_or_default();
    let Some(name) = &place.name else {
        return match verb {
            "watch" => watch(api, &place, request),
            "list" => list(api, &place, request),
            _ => create(api, &place, request),
        };
    };
    let Some(found) = api.0.store.get(&place.resource, &namespace, name) else {
        let kind = place.resource.rsplit('/').next().unwrap_or_default();
        let message = format!("{kind} \"{name}\" not found");
        return failure(404, "NotFound", &message, &json!({ "name": name, "kind": kind }));
    };
    match (verb, place.subresource.as_deref()) {
        ("get", None) => Reply::json(200, &found),
        ("delete", None) => delete(api, &found, &request.json()),
        ("create", Some("eviction")) => evict(api, &found, &request.json()),
        ("patch", None) => patch(api, found, request),
        _ => failure(405, "MethodNotAllowed", "the server does not allow this method", &json!({})),
    }
}

fn failure(code: u16, reason: &str, message: &str, details: &Value) -> Reply {
    Reply::json(code, &status(code, reason, message, details))
}

fn is_denied(api: &Api, verb: &str, resource: &str) -> bool {
    api.state().denied.iter().any(|(v, r)| v == verb && r == resource)
}

fn discovery(api: &Api, path: &str) -> Option<Reply> {
    let setup = &api.0.setup;
    let policy = |version: &str| setup.groups.contains(&format!("policy/{version}"));
    let body = match path {
        "/version" => {
            let (major, minor, git) = &setup.version;
            json!({ "major": major, "minor": minor, "gitVersion": git })
        }
        "/api/v1" => {
            let version = if policy("v1") { "v1" } else { "v1beta1" };
            json!({ "kind": "APIResourceList", "groupVersion": "v1", "resources": [
                { "name": "pods", "kind": "Pod", "namespaced": true },
                { "name": "pods/eviction", "kind": "Eviction", "group": "policy", "version": version },
                { "name": "serviceaccounts/token", "kind": "TokenRequest" },
            ]})
        }
        "/apis" => {
            let mut groups: Vec<Value> = Vec::new();
            for (group, version) in setup.groups.iter().filter_map(|g| g.split_once('/')) {
                let entry =
                    json!({ "groupVersion": format!("{group}/{version}"), "version": version });
                match groups.iter_mut().find(|g| g["name"] == group) {
                    Some(known) => known["versions"].as_array_mut()?.push(entry),
                    None => groups.push(json!({ "name": group, "versions": [entry] })),
                }
            }
            json!({ "kind": "APIGroupList", "groups": groups })
        }
        _ => return None,
    };
    Some(Reply::json(200, &body))
}

fn review(api: &Api, request: &Recorded) -> Reply {
    let mut body = request.json();
    let wanted = &body["spec"]["resourceAttributes"];
    let text = |key: &str| wanted[key].as_str().unwrap_or_default();
    let resource = match text("subresource") {
        "" => text("resource").to_owned(),
        sub => format!("{}/{sub}", text("resource")),
    };
    let allowed = !is_denied(api, text("verb"), &resource);
    body["status"] = json!({ "allowed": allowed });
    Reply::json(201, &body)
}

fn list(api: &Api, place: &Place, request: &Recorded) -> Reply {
    let contents = api.0.store.lock();
    let (labels, fields) = (request.parameter("labelSelector"), request.parameter("fieldSelector"));
    // A continuation is `version:place of the next object`.
    let (version, start) = match request.parameter("continue").split_once(':') {
        Some((version, start)) => (version.parse().unwrap_or(0), start.parse().unwrap_or(0_usize)),
        None => (contents.version, 0),
    };
    if version < contents.oldest {
        let message =
            "The provided continue parameter is too old to display a consistent list result.";
        return failure(410, "Expired", message, &json!({}));
    }
    let chosen: Vec<&Value> = contents
        .objects
        .iter()
        .filter(|((resource, namespace, _), object)| {
            *resource == place.resource
                && place.namespace.as_ref().is_none_or(|n| n == namespace)
                && select::selected(object, &labels, &fields)
        })
        .map(|(_, object)| object)
        .collect();
    let asked = request.parameter("limit").parse().unwrap_or(usize::MAX);
    let size = asked.min(api.0.setup.page_limit.unwrap_or(usize::MAX)).max(1);
    let end = start.saturating_add(size).min(chosen.len());
    let more = if end < chosen.len() { format!("{version}:{end}") } else { String::new() };
    let body = json!({
        "kind": "List", "apiVersion": place.group_version,
        "metadata": { "resourceVersion": version.to_string(), "continue": more },
        "items": chosen.get(start..end).unwrap_or_default(),
    });
    Reply::json(200, &body)
}

fn watch(api: &Api, place: &Place, request: &Recorded) -> Reply {
    let from = request.parameter("resourceVersion").parse().unwrap_or(0);
    if from < api.0.store.lock().oldest {
        return failure(410, "Expired", "too old resource version", &json!({}));
    }
    let seconds = request.parameter("timeoutSeconds").parse().unwrap_or(3600);
    Reply::Watch(Watch {
        resource: place.resource.clone(),
        namespace: place.namespace.clone(),
        labels: request.parameter("labelSelector"),
        fields: request.parameter("fieldSelector"),
        from,
        limit: Duration::from_secs(seconds),
        bookmarks: request.parameter("allowWatchBookmarks") == "true",
    })
}

fn create(api: &Api, place: &Place, request: &Recorded) -> Reply {
    let mut object = request.json();
    if !object["metadata"].is_object() || !object["kind"].is_string() {
        return failure(422, "Invalid", "this is no object", &json!({}));
    }
    let namespace = place.namespace.clone().unwrap_or_default();
    object["metadata"]["namespace"] = namespace.clone().into();
    if let (Some(stem), true) =
        (object["metadata"]["generateName"].as_str(), object["metadata"]["name"].is_null())
    {
        let name = format!("{stem}{:05}", api.0.store.lock().version % 100_000);
        object["metadata"]["name"] = name.into();
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let home = api.0.store.get("namespaces", "", &namespace);
    if home.is_some_and(|n| n["status"]["phase"] == "Terminating") {
        let message = format!(
            "{} \"{name}\" is forbidden: unable to create new content in namespace {namespace} because it is being terminated",
            place.plain()
        );
        let cause =
            json!({ "causes": [{ "reason": "NamespaceTerminating", "message": "it is going" }] });
        return failure(403, "Forbidden", &message, &cause);
    }
    if api.0.store.get(&place.resource, &namespace, &name).is_some() {
        let message = format!("{} \"{name}\" already exists", place.plain());
        return failure(409, "AlreadyExists", &message, &json!({}));
    }
    if request.parameter("dryRun") != "All" {
        if let Some(meta) = object["metadata"].as_object_mut() {
            meta.remove("uid");
        }
        api.put(object.clone());
        if let Some(made) = api.0.store.get(&place.resource, &namespace, &name) {
            object = made;
        }
    }
    Reply::json(201, &object)
}

/// `Some` if the options name another object than this one.
fn other_object(found: &Value, options: &Value) -> Option<Reply> {
    let meta = &found["metadata"];
    for (key, word, actual) in [
        ("uid", "UID", &meta["uid"]),
        ("resourceVersion", "ResourceVersion", &meta["resourceVersion"]),
    ] {
        let wanted = &options["preconditions"][key];
        if !wanted.is_null() && wanted != actual {
            let message = format!(
                "Operation cannot be fulfilled on pods {}: Precondition failed: {word} in precondition: {}, {word} in object meta: {}",
                meta["name"],
                wanted.as_str().unwrap_or_default(),
                actual.as_str().unwrap_or_default()
            );
            return Some(failure(409, "Conflict", &message, &json!({})));
        }
    }
    None
}

fn delete(api: &Api, found: &Value, options: &Value) -> Reply {
    if let Some(conflict) = other_object(found, options) {
        return conflict;
    }
    if !options["dryRun"].is_array() {
        vanish(api, found, &options["gracePeriodSeconds"]);
    }
    Reply::json(200, found)
}

fn evict(api: &Api, found: &Value, body: &Value) -> Reply {
    let options = &body["deleteOptions"];
    if let Some(conflict) = other_object(found, options) {
        return conflict;
    }
    let protects = |budget: &&Value| {
        budget["metadata"]["namespace"] == found["metadata"]["namespace"]
            && select::by_match_labels(&budget["spec"]["selector"], found)
    };
    let budgets = api.all("policy/poddisruptionbudgets");
    let budgets: Vec<&Value> = budgets.iter().filter(protects).collect();
    match budgets[..] {
        [] => {}
        [budget] => {
            let allowed = budget["status"]["disruptionsAllowed"].as_u64().unwrap_or(0);
            if allowed == 0 {
                let why = format!(
                    "The disruption budget {} needs {} healthy pods and has {} currently",
                    budget["metadata"]["name"].as_str().unwrap_or_default(),
                    budget["status"]["desiredHealthy"].as_u64().unwrap_or(0),
                    budget["status"]["currentHealthy"].as_u64().unwrap_or(0)
                );
                return Reply::json(429, &over_budget(&why));
            }
        }
        _ => {
            let message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
            return failure(500, "", message, &json!({}));
        }
    }
    if !options["dryRun"].is_array() {
        if let [budget] = budgets[..] {
            let mut budget = budget.clone();
            let left = budget["status"]["disruptionsAllowed"].as_u64().unwrap_or(0);
            budget["status"]["disruptionsAllowed"] = left.saturating_sub(1).into();
            api.put(budget);
        }
        vanish(api, found, &options["gracePeriodSeconds"]);
    }
    Reply::json(
        201,
        &json!({ "kind": "Status", "apiVersion": "v1", "status": "Success", "code": 201 }),
    )
}

/// Marks an object as going, and takes it away after the grace period.
fn vanish(api: &Api, found: &Value, asked: &Value) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let meta = &found["metadata"];
    let (namespace, name, uid) =
        (text(&meta["namespace"]), text(&meta["name"]), text(&meta["uid"]));
    let grace = if asked.as_u64() == Some(0) { Duration::ZERO } else { api.0.setup.grace };
    let resource = resource_of(found);
    if grace.is_zero() || resource != "pods" {
        api.remove(&resource, &namespace, &name);
        return;
    }
    if meta["deletionTimestamp"].is_string() {
        return;
    }
    api.change("pods", &namespace, &name, |pod| {
        let at = jiff::Timestamp::now() + grace;
        pod["metadata"]["deletionTimestamp"] = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
    });
    let api = api.clone();
    std::thread::spawn(move || {
        std::thread::sleep(grace);
        let same = api.get("pods", &namespace, &name).is_some_and(|p| p["metadata"]["uid"] == *uid);
        if same {
            api.remove("pods", &namespace, &name);
        }
    });
}

fn patch(api: &Api, mut found: Value, request: &Recorded) -> Reply {
    let patch = request.json();
    let meta = &patch["metadata"];
    let options = json!({ "preconditions": { "uid": meta["uid"], "resourceVersion": meta["resourceVersion"] } });
    if let Some(conflict) = other_object(&found, &options) {
        return conflict;
    }
    if let Some(refusal) = tokens::forbids(&found, &patch) {
        return refusal;
    }
    merge(&mut found, &patch);
    if request.parameter("dryRun") != "All" {
        let generation = found["metadata"]["generation"].as_i64().unwrap_or(1);
        found["metadata"]["generation"] = (generation + 1).into();
        api.put(found.clone());
    }
    Reply::json(200, &found)
}

fn merge(into: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (key, value) in fields {
        if value.is_null() {
            into.as_object_mut().expect("made one above").remove(key);
        } else {
            merge(&mut into[key.as_str()], value);
        }
    }
}
