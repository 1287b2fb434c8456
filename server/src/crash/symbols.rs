//! Names of functions and lines of source, by address: from debug information where there is some,
//! else from the symbol tables.

use addr2line::Loader;

use super::modules::Module;
use super::report::Frame;
use super::unwind::Address;

/// The files that names are looked up in, each read once and only if it is needed.
pub struct Symbols<'m> {
    modules: &'m [Module],
    loaders: Vec<Option<Loader>>,
}

impl<'m> Symbols<'m> {
    pub fn new(modules: &'m [Module]) -> Self {
        Self { modules, loaders: modules.iter().map(|_| None).collect() }
    }

    /// The frame of an address, with those of the functions that were inlined there before it.
    pub fn frames(&mut self, address: Address, to: &mut Vec<Frame>) {
        let mut frame = Frame { address: format!("{:#x}", address.value), ..Frame::default() };
        let found = self.modules.iter().position(|module| module.contains(address.lookup));
        let Some(index) = found else { return to.push(frame) };
        let module = &self.modules[index];
        let probe = address.lookup.wrapping_sub(module.bias);
        frame.module = Some(module.path().display().to_string());
        frame.offset = Some(format!("{:#x}", address.value.wrapping_sub(module.bias)));
        frame.build_id.clone_from(&module.build_id);
        let loader = &mut self.loaders[index];
        if loader.is_none() {
            // Without it the address stays without a name.
            *loader = Loader::new(module.path()).ok();
        }
        let Some(loader) = loader else { return to.push(frame) };
        let mut named = functions(loader, probe);
        let (function, location) = named.pop().unwrap_or_default();
        for (function, location) in named {
            to.push(Frame { function, location, is_inlined: true, ..frame.clone() });
        }
        let symbol = || loader.find_symbol(probe).map(demangle);
        frame.function = function.or_else(symbol);
        frame.location = location;
        to.push(frame);
    }
}

/// What the debug information has for an address: the innermost function first.
fn functions(loader: &Loader, probe: u64) -> Vec<(Option<String>, Option<String>)> {
    let mut found = Vec::new();
    let Ok(mut frames) = loader.find_frames(probe) else { return found };
    while let Ok(Some(frame)) = frames.next() {
        let function = frame.function.as_ref().and_then(|function| function.demangle().ok());
        let location = frame.location.as_ref().and_then(|location| {
            let file = location.file?;
            Some(match location.line {
                Some(line) => format!("{file}:{line}"),
                None => file.to_owned(),
            })
        });
        found.push((function.map(|name| name.into_owned()), location));
    }
    found
}

fn demangle(name: &str) -> String {
    addr2line::demangle_auto(name.into(), None).into_owned()
}
