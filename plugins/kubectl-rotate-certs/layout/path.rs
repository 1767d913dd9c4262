//! Paths inside a set.

/// Names that the set itself uses.
const TAKEN: [&str; 3] = ["current", "generations", ".lock"];

/// Why a path cannot be used: the words behind "path `x` ...".
pub(crate) fn check(path: &str) -> Result<(), &'static str> {
    if path.is_empty() {
        return Err("is empty");
    }
    if path.starts_with('/') {
        return Err("is absolute; paths lie below the output directory");
    }
    for part in path.split('/') {
        match part {
            "" => return Err("has an empty part"),
            "." | ".." => return Err("leads outside, or nowhere"),
            _ => {}
        }
        if part.len() > 255 || part.chars().any(char::is_control) {
            return Err("has a part that is no file name");
        }
    }
    let first = path.split('/').next().unwrap_or(path);
    if TAKEN.contains(&first) || first.starts_with(".new-") || first.starts_with(".link-") {
        return Err("begins with a name that the set itself uses");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_stay_inside() {
        for (path, good) in [
            ("ca.crt", true),
            ("pki/etcd/ca.crt", true),
            ("", false),
            ("/etc/kubernetes/pki/ca.crt", false),
            ("../ca.crt", false),
            ("pki/../../ca.crt", false),
            ("pki//ca.crt", false),
            ("./ca.crt", false),
            ("ca.crt/", false),
            ("current/ca.crt", false),
            ("generations", false),
            ("pki/current", true),
            ("a\nb", false),
            ("a\0b", false),
        ] {
            assert_eq!(check(path).is_ok(), good, "{path:?}");
        }
    }
}
