//! The layouts in Rust are those of csgi.h, asked of the C compiler.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fmt::Write;
use std::mem::offset_of;
use std::process::Command;

use csgi::raw;

/// The sizes of types, then the offsets of fields, in the order of `expected`.
macro_rules! layout {
    ($($c_type:literal $rust_type:ty { $($c_field:literal $rust_field:ident),* })*) => {{
        let mut program = String::from("#include <csgi.h>\n#include <stdio.h>\nint main(void) {\n");
        let mut expected = String::new();
        $(
            writeln!(program, "printf(\"{0} %zu\\n\", sizeof({0}));", $c_type).unwrap();
            writeln!(expected, "{} {}", $c_type, size_of::<$rust_type>()).unwrap();
            $(
                writeln!(
                    program,
                    "printf(\"{0}.{1} %zu\\n\", offsetof({0}, {1}));", $c_type, $c_field
                ).unwrap();
                let offset = offset_of!($rust_type, $rust_field);
                writeln!(expected, "{}.{} {offset}", $c_type, $c_field).unwrap();
            )*
        )*
        program.push_str("return 0;\n}\n");
        (program, expected)
    }};
}

#[test]
fn every_field_is_where_the_header_has_it() {
    let (program, expected) = layout! {
        "csgi_str" raw::Str { "ptr" ptr, "len" len }
        "csgi_header" raw::Header { "name" name, "value" value }
        "csgi_manifest" raw::Manifest {
            "magic" magic, "abi_major" abi_major, "abi_minor" abi_minor, "need_minor" need_minor,
            "size" size, "flags" flags, "name" name, "version" version
        }
        "csgi_env" raw::Env {
            "size" size, "http_version" http_version, "flags" flags, "id" id, "host" host,
            "method" method, "scheme" scheme, "authority" authority, "mount" mount, "path" path,
            "query" query, "target" target, "remote" remote, "local" local, "headers" headers,
            "header_count" header_count, "content_length" content_length, "variables" variables,
            "variable_count" variable_count
        }
        "csgi_body" raw::Body { "size" size, "reserved" reserved, "next" next, "close" close }
        "csgi_host" raw::Host {
            "size" size, "abi_major" abi_major, "abi_minor" abi_minor, "name" name,
            "config" config, "read" read, "bytes" bytes, "file" file, "wake" wake, "log" log,
            "extension" extension
        }
        "csgi_timer_1" raw::Timer1 { "wake_after" wake_after }
        "csgi_process_1" raw::Process1 { "processes" processes, "threads" threads }
        "csgi_language_1" raw::Language1 {
            "suffix" suffix, "folder_files" folder_files,
            "folder_file_count" folder_file_count, "load" load, "unload" unload
        }
    };
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (source, binary) = (folder.join("layout.c"), folder.join("layout"));
    std::fs::write(&source, program).unwrap();
    let include = concat!(env!("CARGO_MANIFEST_DIR"), "/include");
    let status = Command::new("cc")
        .args(["-std=c11", "-I", include, "-o"])
        .args([&binary, &source])
        .status()
        .unwrap();
    assert!(status.success());
    let output = Command::new(&binary).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}
