//! The small page behind a status of the server's own.

use crate::http::status;

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:4rem auto;\
padding:0 1rem;color-scheme:light dark}h1{font-size:1.5rem}pre{white-space:pre-wrap;\
overflow-wrap:anywhere;border:1px solid;border-radius:.5rem;padding:1rem}";

/// The page for a status; the detail may have several lines and is shown as it is.
pub fn page(code: u16, detail: Option<&str>) -> Vec<u8> {
    let reason = status::reason(code);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{code} {reason}</title>\n\
         <style>{STYLE}</style>\n<h1>{code} {reason}</h1>\n"
    );
    if let Some(detail) = detail {
        let tag = if detail.trim_end().contains('\n') { "pre" } else { "p" };
        page.push_str(&format!("<{tag}>{}</{tag}>\n", escape(detail)));
    }
    page.into_bytes()
}

/// Text as it may stand in HTML.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_cannot_bring_markup() {
        let page = String::from_utf8(page(503, Some("<script>&\nx"))).unwrap();
        assert!(page.contains("<h1>503 Service Unavailable</h1>"));
        assert!(page.contains("<pre>&lt;script&gt;&amp;\nx</pre>"));
    }
}
