//! The files in which clients keep what they count: one for each process, its last lines are its sums.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};

use super::tally::{Counted, Line};

/// A process writes twice a second; on a busy computer it may be late.
const SILENT: Duration = Duration::from_secs(3);
/// The last word of a process that was asked to end.
const ENDED: &str = " ended\n";
/// More than all lines of half a second.
const TAIL: i64 = 1 << 16;

/// Sums what is in all files of these folders.
pub(super) fn read(folders: &[PathBuf]) -> Result<Counted> {
    let mut files = Vec::new();
    for folder in folders {
        let Ok(entries) = fs::read_dir(folder) else {
            continue; // no client ever ran there
        };
        for entry in entries {
            let path = entry?.path();
            let written = fs::metadata(&path)?.modified()?;
            files.push((written, path));
        }
    }
    // The last error of all is the one of the file that was written last.
    files.sort();
    let mut counted = Counted::default();
    for (written, path) in files {
        let text = tail(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let lives = SystemTime::now().duration_since(written).is_ok_and(|silent| silent < SILENT)
            && !text.ends_with(ENDED);
        let last = last_lines(&text);
        if let Some(line) = last.values().next().filter(|_| lives) {
            counted.runs(line.kind);
        }
        for line in last.into_values() {
            counted.add(line);
        }
    }
    Ok(counted)
}

/// The end of a file, from the beginning of a line.
fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let whole = file.seek(SeekFrom::End(-TAIL)).is_err();
    if whole {
        file.rewind()?;
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let from = if whole { 0 } else { text.find('\n').map_or(0, |at| at + 1) };
    Ok(text[from..].to_owned())
}

/// The last complete line of each target.
fn last_lines(text: &str) -> BTreeMap<String, Line> {
    let complete = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = complete.lines().filter_map(Line::read);
    lines.map(|line| (line.target.clone(), line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_pods_that_are_gone_and_of_one_that_writes() {
        let folder = tempfile::tempdir().unwrap();
        let line = |requests: u32, failed: u32, gap: u32| {
            format!("T kind=once target=service requests={requests} failed={failed} gap_ms={gap}\n")
        };
        let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
        write("once-a-1.log", line(10, 0, 7) + &line(20, 1, 30));
        write("once-a-2.log", line(5, 0, 40) + &line(6, 0, 40) + "T kind=once target=serv");
        write("once-b-3.log", String::new());
        let counted = read(&[folder.path().to_owned(), folder.path().join("none")]).unwrap();
        let tally = counted.kind(super::super::Kind::Once);
        assert_eq!((tally.requests, tally.failed), (26, 1));
        assert_eq!(tally.gap, Duration::from_millis(40));
        assert_eq!(counted.running(), 2, "an empty file is nobody's");
        write("once-a-1.log", line(21, 1, 30) + "T kind=once ended\n");
        let counted = read(&[folder.path().to_owned()]).unwrap();
        assert_eq!((counted.running(), counted.all().requests), (1, 27));
    }

    #[test]
    fn of_a_long_file_the_end_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let line = "T kind=once target=service requests=1 failed=0 gap_ms=1\n";
        fs::write(&path, line.repeat(2000)).unwrap();
        let text = tail(&path).unwrap();
        assert!(text.len() < 1 << 16 && text.starts_with("T kind"), "{}", text.len());
        assert_eq!(last_lines(&text).len(), 1);
    }
}
