//! Container images out of nothing but the lab's own programs: an archive in the OCI layout, written here.
//!
//! One archive holds every image. Layers are shared between images, and not compressed: they are read from
//! the page cache of the same machine.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

/// One layer: programs, and the links that lead to them.
#[derive(Debug, Default)]
pub(super) struct Layer {
    /// Path in the image, and the file whose content it gets.
    pub(super) files: Vec<(String, PathBuf)>,
    /// Path in the image, and where the link leads.
    pub(super) links: Vec<(String, String)>,
}

/// One image: its names, its layers from the bottom up, and what it runs.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) names: Vec<String>,
    /// Indices into the archive's layers.
    pub(super) layers: Vec<usize>,
    pub(super) entrypoint: Vec<String>,
}

/// A blob of the archive.
#[derive(Clone, Debug)]
struct Blob {
    hash: String,
    size: u64,
}

impl Blob {
    fn refer(&self, kind: &str) -> Value {
        let media = format!("application/vnd.oci.image.{kind}");
        json!({ "mediaType": media, "digest": format!("sha256:{}", self.hash), "size": self.size })
    }

    fn path(&self) -> String {
        format!("blobs/sha256/{}", self.hash)
    }
}

/// Writes all `images` over `layers` into `archive`; the whole file appears, or none.
pub(super) fn write(archive: &Path, layers: &[Layer], images: &[Image]) -> Result<()> {
    let half = archive.with_extension("half");
    write_half(&half, layers, images)
        .and_then(|()| fs::rename(&half, archive).context("cannot rename it"))
        .with_context(|| format!("cannot write the images to {}", archive.display()))
}

fn write_half(half: &Path, layers: &[Layer], images: &[Image]) -> Result<()> {
    let mut out = Builder::new(BufWriter::with_capacity(1 << 20, File::create(half)?));
    add(&mut out, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    let mut bases = Vec::new();
    for layer in layers {
        // An archive's entry begins with its name and size, here a hash: the layer has to be complete before.
        let path = half.with_extension("layer");
        let file =
            File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
        fs::remove_file(&path)?; // the descriptor keeps it, and nothing is left behind by a crash
        let blob = layer.write(&file)?;
        (&file).rewind()?;
        out.append(&header(&blob.path(), EntryType::Regular, 0o644, blob.size)?, &file)?;
        bases.push(blob);
    }
    let mut manifests = Vec::new();
    for image in images {
        let manifest = image.manifest(&mut out, &bases)?;
        for name in &image.names {
            let mut entry = manifest.refer("manifest.v1+json");
            entry["platform"] = json!({ "architecture": architecture(), "os": "linux" });
            entry["annotations"] = json!({ "io.containerd.image.name": name });
            manifests.push(entry);
        }
    }
    let media = "application/vnd.oci.image.index.v1+json";
    let index = json!({ "schemaVersion": 2, "mediaType": media, "manifests": manifests });
    add(&mut out, "index.json", index.to_string().as_bytes())?;
    out.into_inner()?.flush()?;
    Ok(())
}

impl Layer {
    fn write(&self, file: &File) -> Result<Blob> {
        let mut layer = Builder::new(Meter {
            out: BufWriter::with_capacity(1 << 20, file),
            hash: Sha256::new(),
            size: 0,
        });
        for folder in ["etc", "tmp", "usr", "usr/local", "usr/local/bin", "var"] {
            let mode = if folder == "tmp" { 0o1777 } else { 0o755 };
            layer.append(&header(folder, EntryType::Directory, mode, 0)?, io::empty())?;
        }
        add(&mut layer, "etc/passwd", b"root:x:0:0::/:/\nnobody:x:65534:65534::/:/\n")?;
        for (path, source) in &self.files {
            let content =
                File::open(source).with_context(|| format!("cannot read {}", source.display()))?;
            let size = content.metadata()?.len();
            layer.append(&header(path, EntryType::Regular, 0o755, size)?, content)?;
        }
        for (path, target) in &self.links {
            let mut link = header(path, EntryType::Symlink, 0o777, 0)?;
            link.set_link_name(target)?;
            link.set_cksum();
            layer.append(&link, io::empty())?;
        }
        let mut meter = layer.into_inner()?;
        meter.out.flush()?;
        Ok(Blob { hash: hex(meter.hash), size: meter.size })
    }
}

impl Image {
    fn manifest(&self, out: &mut Builder<impl Write>, bases: &[Blob]) -> Result<Blob> {
        let layers: Vec<_> = self.layers.iter().map(|index| &bases[*index]).collect();
        let config = json!({
            "architecture": architecture(),
            "os": "linux",
            "config": {
                "Env": ["PATH=/usr/local/bin:/usr/sbin:/usr/bin"],
                "Entrypoint": self.entrypoint,
            },
            "rootfs": {
                "type": "layers",
                "diff_ids": layers.iter().map(|blob| format!("sha256:{}", blob.hash)).collect::<Vec<_>>(),
            },
        });
        let config = store(out, config.to_string().as_bytes())?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config.refer("config.v1+json"),
            "layers": layers.iter().map(|blob| blob.refer("layer.v1.tar")).collect::<Vec<_>>(),
        });
        store(out, manifest.to_string().as_bytes())
    }
}

fn store(out: &mut Builder<impl Write>, content: &[u8]) -> Result<Blob> {
    let hash = hex(Sha256::new_with_prefix(content));
    let blob = Blob { hash, size: u64::try_from(content.len())? };
    add(out, &blob.path(), content)?;
    Ok(blob)
}

fn add(out: &mut Builder<impl Write>, path: &str, content: &[u8]) -> Result<()> {
    let size = u64::try_from(content.len())?;
    Ok(out.append(&header(path, EntryType::Regular, 0o644, size)?, content)?)
}

fn header(path: &str, kind: EntryType, mode: u32, size: u64) -> Result<Header> {
    let mut header = Header::new_gnu();
    header.set_path(path.trim_start_matches('/'))?;
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0); // the same programs make the same image
    header.set_cksum();
    Ok(header)
}

/// Passes on what is written, and knows its size and hash.
struct Meter<W> {
    out: W,
    hash: Sha256,
    size: u64,
}

impl<W: Write> Write for Meter<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.out.write(data)?;
        self.hash.update(&data[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn hex(hash: Sha256) -> String {
    super::run::hex(&hash.finalize())
}

/// As Go, and with it every image, calls it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_names_each_image_and_holds_each_layer_once() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::write(&program, b"#!").unwrap();
        let layer = || Layer {
            files: vec![("usr/local/bin/a".into(), program.clone())],
            links: vec![("usr/local/bin/b".into(), "a".into())],
        };
        let image = |name: &str| Image {
            names: vec![name.into()],
            layers: vec![0],
            entrypoint: vec!["/usr/local/bin/a".into()],
        };
        let archive = folder.path().join("images.tar");
        write(&archive, &[layer()], &[image("lab.local/a:1"), image("lab.local/b:1")]).unwrap();
        let mut read = tar::Archive::new(File::open(&archive).unwrap());
        let mut paths = Vec::new();
        for entry in read.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut content = Vec::new();
            io::copy(&mut entry, &mut content).unwrap();
            if let Some(name) = path.strip_prefix("blobs/sha256/") {
                let hash = hex(Sha256::new_with_prefix(&content));
                assert_eq!(name, hash, "a blob's name is its hash");
            }
            paths.push(path);
        }
        // One layer; one configuration and one manifest, which both images share; the layout and the index.
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), 1 + 2 + 2, "{paths:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
    }
}
