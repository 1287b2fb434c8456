//! A folder to be copied: nested folders, permissions, symlinks, an empty file, a sparse one.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{SeekFrom, seek};
use sha2::{Digest, Sha256};

/// What a tree is to have.
pub struct Shape {
    pub files: usize,
    /// Folders inside each other.
    pub depth: usize,
    /// Size of the sparse file.
    pub sparse: u64,
}

/// Files in each folder.
const IN_A_FOLDER: usize = 40;
const MODES: [u32; 6] = [0o644, 0o600, 0o755, 0o444, 0o640, 0o700];

/// Makes a tree; the same shape gives the same tree.
pub fn make(root: &Path, shape: &Shape) -> io::Result<()> {
    let folders = shape.files.div_ceil(IN_A_FOLDER).max(1);
    for number in 0..shape.files {
        let folder = root.join(folder_of(number % folders, shape.depth));
        if number < folders {
            fs::create_dir_all(&folder)?;
        }
        let path = folder.join(format!("file-{number}.txt"));
        // From nothing to some kilobytes, each with words of its own.
        let content = format!("{number}: hello {}\n", number * 7919);
        fs::write(&path, content.repeat(number % 97))?;
        fs::set_permissions(&path, Permissions::from_mode(MODES[number % MODES.len()]))?;
    }
    fs::create_dir_all(root.join("empty/中文 文件夹"))?;
    symlink("file-0.txt", root.join("link to a file"))?;
    symlink("empty", root.join("link to a folder"))?;
    symlink("../nowhere", root.join("link to nothing"))?;
    sparse(&root.join("sparse"), shape.sparse)?;
    // A folder that its own user may not write to: what is in it must be there before that.
    fs::create_dir(root.join("read only"))?;
    fs::write(root.join("read only/inside"), "still copied\n")?;
    fs::set_permissions(root.join("read only"), Permissions::from_mode(0o555))
}

/// Folder `number` of a tree, at most `depth` below the root.
fn folder_of(number: usize, depth: usize) -> PathBuf {
    (0..number % (depth + 1)).fold(PathBuf::from(format!("dir-{number}")), |path, level| {
        path.join(format!("level-{level}"))
    })
}

/// A file of that size in which nearly everything is a hole.
fn sparse(path: &Path, size: u64) -> io::Result<()> {
    let file = File::create(path)?;
    file.set_len(size)?;
    let words = b"data in a sea of nothing";
    for place in [0, size / 3, size.saturating_sub(words.len() as u64)] {
        if size >= place + words.len() as u64 {
            file.write_all_at(words, place)?;
        }
    }
    Ok(())
}

/// What there is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// From the root of the tree.
    pub path: PathBuf,
    pub kind: Kind,
    pub mode: u32,
    pub size: u64,
    /// Blocks of 512 bytes on the disk.
    pub blocks: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Folder,
    File,
    /// Where it points.
    Symlink(PathBuf),
}

/// Everything below `root`, folders before what is in them.
pub fn list(root: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let path = folder.join(entry?.file_name());
            // Of a symlink itself, not of what it points to.
            let metadata = fs::symlink_metadata(root.join(&path))?;
            let kind = if metadata.is_dir() {
                folders.push(path.clone());
                Kind::Folder
            } else if metadata.is_symlink() {
                Kind::Symlink(fs::read_link(root.join(&path))?)
            } else {
                Kind::File
            };
            let (mode, size) = (metadata.mode() & 0o7777, metadata.len());
            entries.push(Entry { path, kind, mode, size, blocks: metadata.blocks() });
        }
    }
    entries.sort_by(|first, second| first.path.cmp(&second.path));
    Ok(entries)
}

/// One hash over names, kinds, permissions, targets and contents.
pub fn hash(root: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    for entry in list(root)? {
        hasher.update(entry.path.as_os_str().as_encoded_bytes());
        hasher.update([0]);
        hasher.update(entry.mode.to_le_bytes());
        match &entry.kind {
            Kind::Folder => hasher.update(b"folder"),
            Kind::Symlink(target) => hasher.update(target.as_os_str().as_encoded_bytes()),
            Kind::File => hash_file(&root.join(&entry.path), &mut hasher)?,
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Read at once, from multiples of this size: so the pieces are the same in every copy.
const PIECE: u64 = 256 << 10;

/// Size and contents. Pieces of zeros are left out, be they holes or written.
fn hash_file(path: &Path, hasher: &mut Sha256) -> io::Result<()> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    hasher.update(size.to_le_bytes());
    let mut buffer = vec![0; PIECE as usize];
    let mut place = 0;
    // An error (ENXIO) says that the rest is a hole.
    while let Ok(data) = seek(&file, SeekFrom::Data(place)) {
        place = data / PIECE * PIECE;
        let piece = &mut buffer[..(size - place).min(PIECE) as usize];
        file.read_exact_at(piece, place)?;
        if piece.iter().any(|byte| *byte != 0) {
            hasher.update(place.to_le_bytes());
            hasher.update(piece);
        }
        place += PIECE;
    }
    Ok(())
}

/// What a tree has, in one line.
pub fn summary(entries: &[Entry]) -> String {
    let count = |is: fn(&Kind) -> bool| entries.iter().filter(|entry| is(&entry.kind)).count();
    let folders = count(|kind| *kind == Kind::Folder);
    let files = count(|kind| *kind == Kind::File);
    let links = entries.len() - folders - files;
    let sizes = entries.iter().filter(|entry| entry.kind == Kind::File).map(|entry| entry.size);
    let bytes: u64 = sizes.sum();
    match lab::lang() {
        lab::Lang::Zh => {
            format!("{files} 个文件, {folders} 个文件夹, {links} 个符号链接, {bytes} 字节")
        }
        lab::Lang::En => {
            format!("{files} files, {folders} folders, {links} symlinks, {bytes} bytes")
        }
    }
}
