//! YAML with PEM in it, as Salt and BOSH show it: block scalars, in memory that is wiped.

use std::fmt::Write as _;
use zeroize::Zeroizing;

/// Writes a table; what looks like `<...>` is asked for first.
pub(super) fn document(
    table: &toml::Table,
    pem: &dyn Fn(&str) -> Option<Zeroizing<String>>,
) -> Result<Zeroizing<String>, String> {
    let mut text = Zeroizing::new(String::with_capacity(64 << 10));
    entries(table, 0, pem, &mut text)?;
    Ok(text)
}

fn entries(
    table: &toml::Table,
    depth: usize,
    pem: &dyn Fn(&str) -> Option<Zeroizing<String>>,
    text: &mut Zeroizing<String>,
) -> Result<(), String> {
    let indent = "  ".repeat(depth);
    for (key, value) in table {
        let _ = write!(text, "{indent}{}:", scalar(key));
        match value {
            toml::Value::Table(inner) => {
                text.push('\n');
                entries(inner, depth + 1, pem, text)?;
            }
            toml::Value::String(word) => match place(word) {
                Some(name) => {
                    let block =
                        pem(name).ok_or_else(|| format!("`<{name}>` stands for nothing"))?;
                    text.push_str(" |\n");
                    for line in block.lines() {
                        let _ = writeln!(text, "{indent}  {line}");
                    }
                }
                None => {
                    let _ = writeln!(text, " {}", scalar(word));
                }
            },
            toml::Value::Integer(number) => {
                let _ = writeln!(text, " {number}");
            }
            toml::Value::Boolean(yes) => {
                let _ = writeln!(text, " {yes}");
            }
            other => {
                return Err(format!("`{key}` is a {}, which no document has", other.type_str()));
            }
        }
    }
    Ok(())
}

fn place(word: &str) -> Option<&str> {
    word.strip_prefix('<')?.strip_suffix('>')
}

/// A word as it is where that is safe, else in JSON's quotes, which are YAML's too.
fn scalar(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let letters = word.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    let special = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    if letters && word.chars().all(plain) && !special.contains(&word.to_ascii_lowercase().as_str())
    {
        word.to_owned()
    } else {
        serde_json::Value::from(word).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_as_the_pillar_wants_it() {
        let table = toml::toml! {
            [kubernetes]
            k8s_env = "default"
            [kubernetes.certs]
            "server.cert" = "<server.certificate>"
            on = "no"
        };
        let pem = |name: &str| {
            (name == "server.certificate").then(|| Zeroizing::new("-----A\nb\n-----E\n".to_owned()))
        };
        let text = document(&table, &pem).expect("a document");
        assert_eq!(
            text.as_str(),
            "kubernetes:\n  certs:\n    \"on\": \"no\"\n    \"server.cert\": |\n      -----A\n      b\n      -----E\n  k8s_env: default\n"
        );
        assert!(document(&table, &|_| None).is_err());
    }
}
