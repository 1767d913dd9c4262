//! Pages in a real browser: at two widths, light and dark, and printed.

use crate::harness::{Case, Need, cases};
use crate::mixed::{mixed, page};
use crate::rotation::{done, rotated};
use crate::trees::World;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        a_page_fits_its_window_and_can_be_read: Need::Program("chromium", "chromium");
        a_page_is_printed: Need::Program("chromium", "chromium");
        a_page_of_evidence_fits_its_window_and_can_be_read: Need::Program("chromium", "chromium");
        a_page_of_evidence_is_printed: Need::Program("chromium", "chromium");
    ]
}

/// The page of a cluster whose rotation is half done; it lies in the directory as `page.html`.
fn world() -> World {
    let world = mixed();
    let (_, outcome) = page(&world, "check");
    assert_eq!(outcome.code, 3, "{}", outcome.text());
    world
}

/// The page of a rotation that went a way back in between.
fn evidence() -> World {
    let world = rotated();
    done(&world, "report --html page.html");
    world
}

/// Runs the browser, with nothing of its own outside of the directory; what it prints, and what it complains of.
fn chromium(dir: &Path, words: &[&str]) -> (String, String) {
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--no-first-run", "--disable-background-networking", "--disable-component-update"])
        .args(["--enable-logging=stderr", "--virtual-time-budget=10000"])
        // For the frame around the page alone: a file sees no other file else.
        .args(["--allow-file-access-from-files", "--hide-scrollbars"])
        // Whatever it would like to ask the world outside, it asks nobody.
        .arg("--host-resolver-rules=MAP * ~NOTFOUND")
        .arg(format!("--user-data-dir={}", dir.join("profile").display()))
        .args(words)
        .env("HOME", dir)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let (out, said) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{said}");
    let console: Vec<&str> = said.lines().filter(|line| line.contains("CONSOLE")).collect();
    (out, console.join("\n"))
}

fn url(path: &Path) -> String {
    format!("file://{}", path.display())
}

fn a_page_fits_its_window_and_can_be_read() {
    fits(&world());
}

fn a_page_of_evidence_fits_its_window_and_can_be_read() {
    fits(&evidence());
}

fn fits(world: &World) {
    let dir = world.directory();
    for width in [400, 1280] {
        let look = dir.join("look.html");
        let text = include_str!("pages/look.html").replace("WIDTH", &width.to_string());
        fs::write(&look, text).unwrap();
        for (scheme, is_dark) in [("1", false), ("0", true)] {
            let scheme = format!("--blink-settings=preferredColorScheme={scheme}");
            let (dom, console) = chromium(&dir, &[&scheme, "--dump-dom", &url(&look)]);
            assert_eq!(console, "", "{width} {scheme}");
            let found = dom.split("<pre id=\"found\">").nth(1).unwrap().split("</pre>").next();
            let found =
                found.unwrap().replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
            let found: Value =
                serde_json::from_str(&found).unwrap_or_else(|why| panic!("{why}: {found}"));
            assert_eq!(found["dark"], is_dark, "{found}");
            assert!(found["texts"].as_u64().unwrap() > 50, "{found}");
            assert_eq!(found["wide"], 0, "{width} {scheme}: {found}");
            assert_eq!(found["faint"], serde_json::json!([]), "{width} {scheme}");
        }
    }
}

/// The picture of the documents: `SNAPSHOTS=overwrite cargo test --test integration -- pages` takes it anew.
fn picture(dir: &Path) {
    if std::env::var_os("SNAPSHOTS").is_none_or(|wish| wish != "overwrite") {
        return;
    }
    let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/certificates.png");
    let to = format!("--screenshot={}", picture.display());
    let page = url(&dir.join("page.html"));
    chromium(dir, &[&to, "--window-size=1100,1500", &page]);
}

fn a_page_is_printed() {
    let world = world();
    picture(&world.directory());
    prints(&world);
}

fn a_page_of_evidence_is_printed() {
    prints(&evidence());
}

fn prints(world: &World) {
    let dir = world.directory();
    let (page, pdf) = (dir.join("page.html"), dir.join("page.pdf"));
    let to = format!("--print-to-pdf={}", pdf.display());
    let (_, console) = chromium(&dir, &[&to, "--no-pdf-header-footer", &url(&page)]);
    assert_eq!(console, "");
    let pdf = fs::read(pdf).unwrap();
    assert!(pdf.starts_with(b"%PDF-"), "no PDF");
    let pages = pdf.windows(11).filter(|part| part == b"/Type /Page").count();
    assert!((2..=20).contains(&pages), "{pages} pages");
}
