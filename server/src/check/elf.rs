//! Reads an ELF shared object without running any of it (elf(5)).

use csgi::raw;
use object::LittleEndian;
use object::elf::{
    DF_STATIC_TLS, DT_FLAGS, DT_NEEDED, DT_RPATH, DT_RUNPATH, ET_DYN, FileHeader64, Machine, PF_W,
    PF_X, PT_GNU_RELRO, PT_GNU_STACK, PT_LOAD, SHT_DYNSYM, STB_GNU_UNIQUE, STT_FUNC,
};
use object::read::elf::{Dyn, FileHeader, ProgramHeader, SectionHeader, SectionTable, Sym};

use super::report::{Manifest, Report};

type Header = FileHeader64<LittleEndian>;
const ENDIAN: LittleEndian = LittleEndian;

#[cfg(target_arch = "x86_64")]
const MACHINE: (Machine, &str) = (object::elf::EM_X86_64, "x86-64");
#[cfg(target_arch = "aarch64")]
const MACHINE: (Machine, &str) = (object::elf::EM_AARCH64, "AArch64");

/// Adds to `report` what the bytes of a library say.
pub fn examine(bytes: &[u8], report: &mut Report) {
    if let Err(reason) = try_examine(bytes, report) {
        report.refuse(reason);
    }
}

/// The manifest in the bytes of a library.
pub fn manifest(bytes: &[u8]) -> Option<raw::Manifest> {
    let header = Header::parse(bytes).ok()?;
    let sections = header.sections(ENDIAN, bytes).ok()?;
    find_manifest(header, &sections, bytes).ok()
}

/// How many bytes from its beginning in memory a library has that nobody writes to once it is loaded.
/// What the dynamic linker protects after it has filled it in (PT_GNU_RELRO) it protects in whole pages.
pub fn constants_length(bytes: &[u8], page_size: u64) -> Option<usize> {
    let segments = Header::parse(bytes).ok()?.program_headers(ENDIAN, bytes).ok()?;
    let of_type = |wanted| segments.iter().filter(move |one| one.p_type(ENDIAN) == wanted);
    let page_of = |address: u64| address - address % page_size;
    let first = of_type(PT_LOAD).map(|one| one.p_vaddr(ENDIAN)).min()?;
    let is_writable = |one: &&_| ProgramHeader::p_flags(*one, ENDIAN).0 & PF_W.0 != 0;
    let written = of_type(PT_LOAD).filter(is_writable).map(|one| one.p_vaddr(ENDIAN)).min()?;
    let protected = of_type(PT_GNU_RELRO).next().map(|one| {
        let start = one.p_vaddr(ENDIAN);
        page_of(start)..page_of(start.saturating_add(one.p_memsz(ENDIAN)))
    });
    let end = match protected {
        Some(protected) if protected.contains(&written) => protected.end,
        _ => page_of(written),
    };
    usize::try_from(end.checked_sub(page_of(first))?).ok()
}

fn try_examine(bytes: &[u8], report: &mut Report) -> Result<(), String> {
    if !bytes.starts_with(b"\x7fELF") {
        return Err("it is not a shared library (ELF); compile it with cc -shared -fPIC".to_owned());
    }
    let header = Header::parse(bytes)
        .map_err(|_| format!("it is not a 64-bit library; compile it for {}", MACHINE.1))?;
    if header.e_ident().data != object::elf::ELFDATA2LSB || header.e_machine(ENDIAN) != MACHINE.0 {
        return Err(format!("it is for another processor; compile it for {}", MACHINE.1));
    }
    if header.e_type(ENDIAN) != ET_DYN {
        return Err("it is not a shared library; compile it with cc -shared -fPIC".to_owned());
    }
    let truncated = "it is cut off, or still being written; copy it again";
    let sections = header.sections(ENDIAN, bytes).map_err(|_| truncated.to_owned())?;
    for section in sections.iter() {
        section.data(ENDIAN, bytes).map_err(|_| truncated.to_owned())?;
    }
    examine_dynamic(&sections, bytes, report).map_err(|_| truncated.to_owned())?;
    examine_segments(header, bytes, report).ok_or(truncated)?;
    report.go = [&b".go.buildinfo"[..], b".note.go.buildid"]
        .iter()
        .any(|name| sections.section_by_name(ENDIAN, name).is_some());
    if report.go {
        report.note("it brings a Go runtime; at most one such plugin can be served");
    }
    examine_application(&sections, bytes)?;
    examine_manifest(&find_manifest(header, &sections, bytes)?, report)
}

/// What it needs and wants of the dynamic linker.
fn examine_dynamic(
    sections: &SectionTable<'_, Header>,
    bytes: &[u8],
    report: &mut Report,
) -> object::read::Result<()> {
    let Some((entries, strings)) = sections.dynamic(ENDIAN, bytes)? else { return Ok(()) };
    let strings = sections.strings(ENDIAN, bytes, strings)?;
    for entry in entries {
        let text = || entry.string(ENDIAN, strings).map(|text| String::from_utf8_lossy(text));
        match entry.tag(ENDIAN) {
            DT_NEEDED => report.needed.push(text()?.into_owned()),
            DT_RPATH | DT_RUNPATH => report.uses_origin |= mentions_origin(&text()?),
            DT_FLAGS if u64::from(entry.val32(ENDIAN).unwrap_or(0)) & DF_STATIC_TLS.0 != 0 => {
                report.warn(
                    "it uses static thread-local storage, of which a process has little; \
                     compile it without -ftls-model=initial-exec",
                );
            }
            _ => {}
        }
    }
    if report.needed.iter().any(|name| name.contains("musl")) && cfg!(target_env = "gnu") {
        report.refuse("it is linked with musl and this server with glibc; compile it for glibc");
    }
    let symbols = sections.symbols(ENDIAN, bytes, SHT_DYNSYM)?;
    if symbols.iter().any(|symbol| symbol.st_bind() == STB_GNU_UNIQUE) {
        report.warn(
            "it has unique symbols, which C++ libraries of one process share; \
             compile it with -fno-gnu-unique",
        );
    }
    Ok(())
}

/// Both spellings of ld.so(8).
fn mentions_origin(search_path: &str) -> bool {
    search_path.contains("$ORIGIN") || search_path.contains("${ORIGIN}")
}

/// `None`: a segment is not wholly in the file.
fn examine_segments(header: &Header, bytes: &[u8], report: &mut Report) -> Option<()> {
    // Without the entry, x86-64 takes the stack to be executable.
    let mut wants_executable_stack = cfg!(target_arch = "x86_64");
    for segment in header.program_headers(ENDIAN, bytes).ok()? {
        match segment.p_type(ENDIAN) {
            PT_LOAD => {
                segment.data(ENDIAN, bytes).ok()?;
            }
            PT_GNU_STACK => wants_executable_stack = segment.p_flags(ENDIAN).0 & PF_X.0 != 0,
            _ => {}
        }
    }
    if wants_executable_stack {
        // A warning only: whether this system's linker refuses it, the trial says.
        report.warn(
            "it wants an executable stack, which current systems refuse; \
             link it with -z noexecstack",
        );
    }
    Some(())
}

/// The symbol table's entry of a name, if it is defined here.
fn find<'s>(
    sections: &SectionTable<'s, Header>,
    bytes: &'s [u8],
    name: &[u8],
) -> Option<&'s object::elf::Sym64<LittleEndian>> {
    let symbols = sections.symbols(ENDIAN, bytes, SHT_DYNSYM).ok()?;
    let strings = symbols.strings();
    let mut found = symbols.iter().filter(|symbol| {
        !symbol.is_undefined(ENDIAN) && symbol.name(ENDIAN, strings).is_ok_and(|n| n == name)
    });
    found.next()
}

fn examine_application(sections: &SectionTable<'_, Header>, bytes: &[u8]) -> Result<(), String> {
    match find(sections, bytes, b"application") {
        Some(symbol) if symbol.st_type() == STT_FUNC => Ok(()),
        Some(_) => Err("its application is not a function".to_owned()),
        None => {
            Err("it does not export application; define csgi_body *application(const csgi_env \
                     *, csgi_start_response) and do not hide it"
                .to_owned())
        }
    }
}

fn find_manifest(
    header: &Header,
    sections: &SectionTable<'_, Header>,
    bytes: &[u8],
) -> Result<raw::Manifest, String> {
    let missing = "it has no manifest; write CSGI_PLUGIN(\"name\", \"version\", flags); in it";
    let symbol = find(sections, bytes, b"csgi_plugin").ok_or(missing)?;
    let size = size_of::<raw::Manifest>() as u64;
    if symbol.st_size(ENDIAN) != size {
        return Err(format!(
            "its manifest is not {size} bytes long; include csgi.h and use CSGI_PLUGIN"
        ));
    }
    let segments = header.program_headers(ENDIAN, bytes).map_err(|_| missing)?;
    let data = segments
        .iter()
        .filter(|segment| segment.p_type(ENDIAN) == PT_LOAD)
        .find_map(|segment| {
            segment.data_range(ENDIAN, bytes, symbol.st_value(ENDIAN), size).ok()?
        })
        .ok_or("its manifest is not in the file; declare csgi_plugin const and initialised")?;
    Ok(decode(data))
}

/// The fields out of the bytes, which have the layout of `csgi_manifest`.
fn decode(data: &[u8]) -> raw::Manifest {
    let mut position = 0;
    let mut next = |count: usize| {
        position += count;
        &data[position - count..position]
    };
    let mut number = |count: usize| {
        next(count).iter().rev().fold(0_u32, |value, byte| value << 8 | u32::from(*byte))
    };
    let (magic, major, minor) = (number(4), number(2), number(2));
    let (need, size, flags) = (number(2), number(2), number(4));
    let mut manifest = raw::Manifest {
        magic,
        abi_major: major as u16,
        abi_minor: minor as u16,
        need_minor: need as u16,
        size: size as u16,
        flags,
        name: [0; 32],
        version: [0; 16],
    };
    manifest.name.copy_from_slice(next(32));
    manifest.version.copy_from_slice(next(16));
    manifest
}

/// The load rule of the ABI.
fn examine_manifest(manifest: &raw::Manifest, report: &mut Report) -> Result<(), String> {
    let (major, minor) = (raw::ABI_MAJOR, raw::ABI_MINOR);
    if manifest.magic != raw::MAGIC || usize::from(manifest.size) != size_of::<raw::Manifest>() {
        return Err(
            "its manifest is not one of CSGI; include csgi.h and use CSGI_PLUGIN".to_owned()
        );
    }
    if manifest.abi_major != major {
        let theirs = manifest.abi_major;
        return Err(format!(
            "it is made for CSGI {theirs}; compile it with the csgi.h of CSGI {major}"
        ));
    }
    if manifest.need_minor > minor {
        let need = manifest.need_minor;
        return Err(format!(
            "it needs CSGI {major}.{need} and this is {major}.{minor}; update tenon"
        ));
    }
    let unknown = manifest.flags & raw::MUST_UNDERSTAND;
    if unknown != 0 {
        return Err(format!(
            "it has flags that this server does not know ({unknown:#x}); update tenon"
        ));
    }
    let text = |bytes: &[u8]| {
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    };
    report.manifest = Some(Manifest {
        name: text(&manifest.name),
        version: text(&manifest.version),
        abi: format!("{major}.{}", manifest.abi_minor),
        threadsafe: manifest.flags & raw::THREADSAFE != 0,
        nonblocking: manifest.flags & raw::NONBLOCKING != 0,
        stream_input: manifest.flags & raw::STREAM_INPUT != 0,
        shared_lock: manifest.flags & raw::SHARED_LOCK != 0,
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ld.so(8): "$ORIGIN (or equivalently ${ORIGIN})".
    #[test]
    fn the_origin_is_found_in_both_spellings() {
        assert!(mentions_origin("/a:$ORIGIN/lib") && mentions_origin("${ORIGIN}/lib"));
        assert!(!mentions_origin("/opt/ORIGIN/lib"));
    }
}
