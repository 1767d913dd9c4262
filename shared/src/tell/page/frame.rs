//! The document around a page.

use super::mark;
use super::text::Shown;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

/// The only style sheet.
const STYLE: &str = include_str!("style.css");

/// A whole document.
///
/// Its policy allows this one style sheet, by its digest, and nothing else: no script, no style of an element, nothing
/// from any address. What somebody might have smuggled into a page would do nothing.
pub fn document(title: &str, generator: &str, body: &Markup) -> String {
    let style = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'"
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                meta name="generator" content=(generator);
                title { (Shown(title)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (mark::shapes())
                (body)
            }
        }
    };
    page.into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_holds_all_that_it_needs_and_forbids_the_rest() {
        let page = document("a <b> \u{1b}[31m", "x 1.0", &html! { main { "y" } });
        assert!(
            page.starts_with("<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">")
        );
        assert!(page.contains("<title>a &lt;b&gt; \\u{1b}[31m</title>"), "{page}");
        assert!(page.contains("default-src 'none'; style-src 'sha256-"), "{page}");
        assert!(page.contains("<main>y</main></body></html>"));
        for outside in ["<script", "http:", "https:", "url(", "@import", " src="] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
