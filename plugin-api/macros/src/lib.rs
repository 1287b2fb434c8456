//! The attributes of the `csgi` crate: they add the exports of a plugin to a safe function.

use proc_macro::TokenStream;
use quote::quote;
use syn::parse::Parser;
use syn::{Expr, ExprLit, ItemFn, Lit, Meta, Token, parse_macro_input, punctuated::Punctuated};

/// Makes a function the application of this plugin: `fn(&Env) -> impl IntoResponse`.
///
/// Takes `threadsafe`, `nonblocking`, `stream_input`, `name = "…"` and `version = "…"`.
#[proc_macro_attribute]
pub fn application(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    let promises = match Promises::parse(arguments) {
        Ok(promises) => promises,
        Err(error) => return error.to_compile_error().into(),
    };
    let (name, version, flags) = (promises.name, promises.version, promises.flags);
    let ident = &function.sig.ident;
    quote! {
        #function

        const _: () = {
            #[unsafe(export_name = "csgi_plugin")]
            static MANIFEST: ::csgi::raw::Manifest =
                ::csgi::export::manifest(#name, #version, #flags);

            #[unsafe(export_name = "application")]
            unsafe extern "C-unwind" fn entry(
                env: *const ::csgi::raw::Env,
                start: ::csgi::raw::StartResponse,
            ) -> *mut ::csgi::raw::Body {
                // SAFETY: the host calls this export as csgi.h says.
                unsafe { ::csgi::export::application(env, start, #ident) }
            }
        };
    }
    .into()
}

/// Makes a function run once before the first request: `fn(&Host)`, or `fn(&Host) -> Result<(), E>`,
/// whose error keeps the plugin from being served.
#[proc_macro_attribute]
pub fn init(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    let ident = &function.sig.ident;
    quote! {
        #function

        const _: () = {
            #[unsafe(export_name = "csgi_init")]
            unsafe extern "C-unwind" fn entry(host: *const ::csgi::raw::Host) -> i32 {
                // SAFETY: the host calls this export as csgi.h says.
                unsafe { ::csgi::export::init(host, #ident) }
            }
        };
    }
    .into()
}

/// Makes a function run once after the last request: `fn()`.
#[proc_macro_attribute]
pub fn exit(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    let ident = &function.sig.ident;
    quote! {
        #function

        const _: () = {
            #[unsafe(export_name = "csgi_exit")]
            extern "C-unwind" fn entry() {
                ::csgi::export::exit(#ident)
            }
        };
    }
    .into()
}

/// The arguments of `application`, as expressions.
struct Promises {
    name: proc_macro2::TokenStream,
    version: proc_macro2::TokenStream,
    flags: proc_macro2::TokenStream,
}

impl Promises {
    fn parse(arguments: TokenStream) -> syn::Result<Self> {
        let arguments = Punctuated::<Meta, Token![,]>::parse_terminated.parse(arguments)?;
        let mut promises = Self {
            name: quote!(env!("CARGO_PKG_NAME")),
            version: quote!(env!("CARGO_PKG_VERSION")),
            flags: quote!(0),
        };
        for argument in arguments {
            match &argument {
                Meta::Path(path) if path.is_ident("threadsafe") => promises.promise("THREADSAFE"),
                Meta::Path(path) if path.is_ident("nonblocking") => promises.promise("NONBLOCKING"),
                Meta::Path(path) if path.is_ident("stream_input") => {
                    promises.promise("STREAM_INPUT");
                }
                Meta::Path(path) if path.is_ident("shared_lock") => promises.promise("SHARED_LOCK"),
                Meta::NameValue(pair) if pair.path.is_ident("name") => {
                    promises.name = text(&pair.value)?;
                }
                Meta::NameValue(pair) if pair.path.is_ident("version") => {
                    promises.version = text(&pair.value)?;
                }
                _ => {
                    return Err(syn::Error::new_spanned(
                        argument,
                        "expected threadsafe, nonblocking, stream_input, shared_lock, name = \"…\" \
                         or version = \"…\"",
                    ));
                }
            }
        }
        Ok(promises)
    }

    fn promise(&mut self, flag: &str) {
        let flag = syn::Ident::new(flag, proc_macro2::Span::call_site());
        let flags = &self.flags;
        self.flags = quote!(#flags | ::csgi::raw::#flag);
    }
}

fn text(value: &Expr) -> syn::Result<proc_macro2::TokenStream> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(quote!(#text)),
        other => Err(syn::Error::new_spanned(other, "expected a text in quotes")),
    }
}
