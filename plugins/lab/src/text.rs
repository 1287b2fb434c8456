//! Words in both languages, and which of them a visitor reads.

use serde::{Deserialize, Serialize};

/// The languages of the labs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    Zh,
    /// Also for clients that name no language, such as curl.
    #[default]
    En,
}

impl Lang {
    /// `?lang=zh` or `?lang=en` decides; else the one that Accept-Language likes better.
    pub fn choose(query: Option<&str>, accept: Option<&[u8]>) -> Self {
        match query {
            Some("zh") => return Self::Zh,
            Some("en") => return Self::En,
            _ => {}
        }
        let accept = String::from_utf8_lossy(accept.unwrap_or_default()).to_ascii_lowercase();
        let (mut best, mut best_weight) = (Self::default(), 0.0);
        for range in accept.split(',') {
            let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
            let weight = weight.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok());
            let lang = match tag.trim().split('-').next() {
                Some("zh") => Self::Zh,
                Some("en") => Self::En,
                _ => continue,
            };
            if weight.unwrap_or(0.0) > best_weight {
                (best, best_weight) = (lang, weight.unwrap_or(0.0));
            }
        }
        best
    }

    /// As in the `lang` attribute of HTML.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Zh => "zh-CN",
            Self::En => "en",
        }
    }

    /// As in `?lang=`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Zh => "zh",
            Self::En => "en",
        }
    }

    pub fn other(self) -> Self {
        match self {
            Self::Zh => Self::En,
            Self::En => Self::Zh,
        }
    }
}

/// The same words in Chinese and in English.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    pub zh: &'static str,
    pub en: &'static str,
}

/// Words for both kinds of visitors.
pub const fn text(zh: &'static str, en: &'static str) -> Text {
    Text { zh, en }
}

/// The same in both languages: a name, a number, code.
pub const fn same(both: &'static str) -> Text {
    Text { zh: both, en: both }
}

impl Text {
    pub fn get(self, lang: Lang) -> &'static str {
        match lang {
            Lang::Zh => self.zh,
            Lang::En => self.en,
        }
    }
}

/// Text as HTML shows it, also inside attributes.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML, and so SVG, has no way to write the others.
            character if character.is_control() && !"\n\t\r".contains(character) => {
                escaped.push('\u{fffd}');
            }
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_language_is_chosen() {
        let choose = |accept: &str| Lang::choose(None, Some(accept.as_bytes()));
        assert_eq!(choose("zh-CN,zh;q=0.9,en;q=0.8"), Lang::Zh);
        assert_eq!(choose("en-GB,en;q=0.9,zh;q=0.8"), Lang::En);
        assert_eq!(choose("fr, zh;q=0.2, en;q=0.1"), Lang::Zh);
        assert_eq!(choose("zh;q=0, en;q=0.1"), Lang::En);
        assert_eq!(choose("zh;q=many"), Lang::En);
        assert_eq!(Lang::choose(None, None), Lang::En);
        assert_eq!(Lang::choose(Some("zh"), Some(b"en")), Lang::Zh);
        assert_eq!(Lang::choose(Some("xx"), Some(b"zh")), Lang::Zh);
    }

    #[test]
    fn markup_is_escaped() {
        assert_eq!(escape("<a b=\"c\">&'\u{1b}"), "&lt;a b=&quot;c&quot;&gt;&amp;&#39;\u{fffd}");
    }
}
