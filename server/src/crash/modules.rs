//! The files that a crashed process had mapped as code: from its list of mappings, and from the files
//! themselves, which may have been made to mislead.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use object::{Object, ObjectSection, ObjectSegment, ReadCache};

/// A mapping of code (proc_pid_maps(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    pub range: Range<u64>,
    offset: u64,
    inode: u64,
    path: PathBuf,
}

/// A part of a file, with the addresses that the file gives it.
pub struct Part {
    pub range: Range<u64>,
    pub bytes: Vec<u8>,
}

/// What is needed of a file.
pub struct Module {
    pub mapping: Mapping,
    /// What is to be taken from an address to get the file's own.
    pub bias: u64,
    pub build_id: Option<String>,
    pub text: Option<Range<u64>>,
    pub got: Option<Range<u64>>,
    pub eh_frame: Option<Part>,
    pub eh_frame_hdr: Option<Part>,
}

impl Module {
    pub fn path(&self) -> &Path {
        &self.mapping.path
    }

    pub fn contains(&self, address: u64) -> bool {
        self.mapping.range.contains(&address)
    }

    /// # Errors
    /// In plain words: the file is not there any more, or is no ELF file.
    pub fn open(mapping: Mapping) -> Result<Self, String> {
        let shown = mapping.path.display().to_string();
        let wrong = |what: &str| format!("{shown} {what}: its functions have no names here");
        // Looked at first: to open a pipe would be to wait.
        let metadata = mapping.path.metadata().map_err(|error| wrong(&error.to_string()))?;
        if !metadata.is_file() || metadata.ino() != mapping.inode {
            return Err(wrong("has been replaced since"));
        }
        let file = File::open(&mapping.path).map_err(|error| wrong(&error.to_string()))?;
        let cache = ReadCache::new(file);
        let elf = object::File::parse(&cache).map_err(|error| wrong(&error.to_string()))?;
        let bias = bias_of(&elf, &mapping).ok_or_else(|| wrong("is mapped in no way it allows"))?;
        let range = |name: &str| {
            let section = elf.section_by_name(name)?;
            Some(section.address()..section.address().checked_add(section.size())?)
        };
        let part = |name: &str| {
            let bytes = elf.section_by_name(name)?.data().ok()?.to_vec();
            Some(Part { range: range(name)?, bytes })
        };
        let build_id = elf.build_id().ok().flatten();
        Ok(Self {
            bias,
            build_id: build_id.map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect()),
            text: range(".text"),
            got: range(".got"),
            eh_frame: part(".eh_frame"),
            eh_frame_hdr: part(".eh_frame_hdr"),
            mapping,
        })
    }
}

/// The segment that was mapped here says by how much all addresses are shifted.
fn bias_of<'d>(elf: &impl Object<'d>, mapping: &Mapping) -> Option<u64> {
    elf.segments().find_map(|segment| {
        let (offset, size) = segment.file_range();
        // A segment is mapped from the beginning of the page that it begins in, and that page may
        // hold the end of another, which is mapped again elsewhere.
        let first = offset & !0xfff;
        let is_there = (first..offset.checked_add(size)?).contains(&mapping.offset);
        let is_it = is_there && segment.permissions().executable();
        let into = mapping.offset.checked_sub(first)?;
        let address = (segment.address() & !0xfff).checked_add(into)?;
        is_it.then(|| mapping.range.start.wrapping_sub(address))
    })
}

/// The mappings of code that come from files.
pub fn mappings(maps: &str) -> Vec<Mapping> {
    maps.lines().filter_map(mapping).collect()
}

fn mapping(line: &str) -> Option<Mapping> {
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    let is_code = fields.next()?.as_bytes().get(2) == Some(&b'x');
    let offset = number(fields.next()?)?;
    let inode = fields.nth(1)?.parse().ok()?;
    let path = fields.next()?.trim_start();
    let range = number(start)?..number(end)?;
    (is_code && path.starts_with('/') && !range.is_empty()).then(|| Mapping {
        range,
        offset,
        inode,
        path: PathBuf::from(path),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_of_files_is_found() {
        let maps = "55d0c0a00000-55d0c0a21000 r--p 00000000 fe:00 131 /usr/bin/tenon\n\
            55d0c0a21000-55d0c0b00000 r-xp 00021000 fe:00 131                    /usr/my bin/tenon\n\
            7ffd0000-7ffd2000 r-xp 00000000 00:00 0                          [vdso]\n\
            zz-1 r-xp 0 0 0 /x\nnonsense\n";
        let found = mappings(maps);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].range, 0x55d0_c0a2_1000..0x55d0_c0b0_0000);
        assert_eq!((found[0].offset, found[0].inode), (0x21000, 131));
        assert_eq!(found[0].path, Path::new("/usr/my bin/tenon"));
    }

    #[test]
    fn this_program_is_where_it_is() {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let here = this_program_is_where_it_is as *const () as u64;
        let mapping = mappings(&maps).into_iter().find(|one| one.range.contains(&here)).unwrap();
        let module = Module::open(mapping).unwrap();
        assert!(module.text.unwrap().contains(&(here - module.bias)));
        assert!(module.eh_frame.unwrap().bytes.len() > 1000);
    }
}
