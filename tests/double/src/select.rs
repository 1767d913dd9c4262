//! Label and field selectors, as far as tests need them.

use serde_json::Value;

/// Whether an object is selected by both.
pub(crate) fn selected(object: &Value, labels: &str, fields: &str) -> bool {
    conditions(labels).iter().all(|c| label(object, c))
        && fields.split(',').filter(|f| !f.is_empty()).all(|f| field(object, f))
}

/// `matchLabels` of an object's own selector; an empty one selects everything.
pub(crate) fn by_match_labels(selector: &Value, object: &Value) -> bool {
    let labels = &object["metadata"]["labels"];
    selector["matchLabels"]
        .as_object()
        .into_iter()
        .flatten()
        .all(|(key, value)| labels[key] == *value)
}

fn conditions(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if c == ',' && depth == 0 {
            parts.push(String::new());
        } else {
            parts.last_mut().expect("one at least").push(c);
        }
    }
    parts.retain(|p| !p.trim().is_empty());
    parts
}

fn label(object: &Value, condition: &str) -> bool {
    let value = |key: &str| object["metadata"]["labels"][key.trim()].as_str();
    let among = |list: &str, value: &str| {
        list.trim().trim_matches(['(', ')']).split(',').any(|v| v.trim() == value)
    };
    let condition = condition.trim();
    if let Some((key, list)) = condition.split_once(" notin ") {
        value(key).is_none_or(|v| !among(list, v))
    } else if let Some((key, list)) = condition.split_once(" in ") {
        value(key).is_some_and(|v| among(list, v))
    } else if let Some((key, wanted)) = condition.split_once("!=") {
        value(key) != Some(wanted.trim())
    } else if let Some((key, wanted)) = condition.split_once('=') {
        value(key) == Some(wanted.trim_start_matches('=').trim())
    } else if let Some(key) = condition.strip_prefix('!') {
        value(key).is_none()
    } else {
        value(condition).is_some()
    }
}

fn field(object: &Value, condition: &str) -> bool {
    let (path, wanted, equal) = if let Some((path, wanted)) = condition.split_once("!=") {
        (path, wanted, false)
    } else {
        let (path, wanted) = condition.split_once('=').unwrap_or((condition, ""));
        (path, wanted.trim_start_matches('='), true)
    };
    let value = path.split('.').fold(object, |value, step| &value[step]);
    (value.as_str().unwrap_or_default() == wanted) == equal
}
