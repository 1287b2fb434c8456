//! What a visitor may vary in an experiment, and what is said about a wrong value.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::text::{Lang, Text};

/// One field of an experiment's form.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// In the query: `?name=value`.
    pub name: &'static str,
    pub label: Text,
    pub kind: Kind,
}

/// What values a parameter takes. The default is used when the query does not name it.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Integer {
        least: i64,
        most: i64,
        default: i64,
    },
    /// One line of at most so many characters.
    Line {
        longest: usize,
        default: &'static str,
    },
    /// Several lines of at most so many characters together.
    Lines {
        longest: usize,
        default: &'static str,
    },
    /// One of a list of values; the first is the default.
    Choice {
        options: &'static [(&'static str, Text)],
    },
}

const YES: (&str, Text) = ("yes", crate::text("是", "yes"));
const NO: (&str, Text) = ("no", crate::text("否", "no"));

impl Parameter {
    pub const fn integer(
        name: &'static str,
        label: Text,
        least: i64,
        most: i64,
        default: i64,
    ) -> Self {
        Self { name, label, kind: Kind::Integer { least, most, default } }
    }

    pub const fn line(
        name: &'static str,
        label: Text,
        longest: usize,
        default: &'static str,
    ) -> Self {
        Self { name, label, kind: Kind::Line { longest, default } }
    }

    pub const fn lines(
        name: &'static str,
        label: Text,
        longest: usize,
        default: &'static str,
    ) -> Self {
        Self { name, label, kind: Kind::Lines { longest, default } }
    }

    pub const fn choice(
        name: &'static str,
        label: Text,
        options: &'static [(&'static str, Text)],
    ) -> Self {
        Self { name, label, kind: Kind::Choice { options } }
    }

    /// Yes or no, see [`Values::flag`].
    pub const fn flag(name: &'static str, label: Text, default: bool) -> Self {
        Self::choice(name, label, if default { &[YES, NO] } else { &[NO, YES] })
    }

    pub fn default_value(&self) -> String {
        match self.kind {
            Kind::Integer { default, .. } => default.to_string(),
            Kind::Line { default, .. } | Kind::Lines { default, .. } => default.to_owned(),
            Kind::Choice { options } => options.first().map_or("", |option| option.0).to_owned(),
        }
    }

    /// What is wrong with a value.
    fn objection(&self, value: &str, lang: Lang) -> Option<String> {
        let say = |zh: String, en: String| Some(if lang == Lang::Zh { zh } else { en });
        match self.kind {
            Kind::Integer { least, most, .. } => match value.parse::<i64>() {
                Ok(number) if (least..=most).contains(&number) => None,
                Ok(number) => say(
                    format!("{number} 超出范围：请输入 {least} 到 {most} 之间的整数"),
                    format!("{number} is out of range: give a whole number from {least} to {most}"),
                ),
                Err(_) => say(
                    format!("“{value}”不是整数：请输入 {least} 到 {most} 之间的整数"),
                    format!("“{value}” is no whole number: give one from {least} to {most}"),
                ),
            },
            Kind::Line { longest, .. } | Kind::Lines { longest, .. } => {
                let count = value.chars().count();
                if count > longest {
                    return say(
                        format!("有 {count} 个字符，最多 {longest} 个"),
                        format!("it has {count} characters, {longest} are allowed"),
                    );
                }
                let is_line = matches!(self.kind, Kind::Line { .. });
                let is_wrong = |c: char| c.is_control() && (is_line || !"\n\r\t".contains(c));
                value.chars().any(is_wrong).then_some(()).and_then(|()| {
                    say("不能含有控制字符".into(), "control characters are not allowed".into())
                })
            }
            Kind::Choice { options } => {
                if options.iter().any(|option| option.0 == value) {
                    return None;
                }
                let names: Vec<_> = options.iter().map(|option| option.0).collect();
                let names = names.join(", ");
                say(
                    format!("没有“{value}”这个选项：请选 {names} 之一"),
                    format!("there is no “{value}”: choose one of {names}"),
                )
            }
        }
    }
}

/// Why one field is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    pub name: String,
    pub message: String,
}

/// The values of all parameters of an experiment, each of them allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Values(BTreeMap<String, String>);

impl Values {
    /// Takes what was given, defaults for the rest.
    ///
    /// # Errors
    /// Every field that is wrong, or is none.
    pub fn check(
        parameters: &[Parameter],
        given: &[(String, String)],
        lang: Lang,
    ) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut values = BTreeMap::new();
        for parameter in parameters {
            let mut named = given.iter().filter(|(name, _)| name == parameter.name);
            let value = named.next().map_or_else(|| parameter.default_value(), |(_, v)| v.clone());
            if let Some(message) = parameter.objection(&value, lang) {
                errors.push(FieldError { name: parameter.name.to_owned(), message });
            }
            values.insert(parameter.name.to_owned(), value);
        }
        for (name, _) in given {
            if !parameters.iter().any(|parameter| parameter.name == name) {
                let message = match lang {
                    Lang::Zh => "这个实验没有这个参数".to_owned(),
                    Lang::En => "this experiment has no such parameter".to_owned(),
                };
                errors.push(FieldError { name: name.clone(), message });
            }
        }
        if errors.is_empty() { Ok(Self(values)) } else { Err(errors) }
    }

    /// The value of a parameter as it was given.
    ///
    /// # Panics
    /// The experiment has no such parameter: a mistake of its author.
    #[track_caller]
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("the experiment has no parameter {name}"))
    }

    /// The value of a [`Kind::Integer`].
    ///
    /// # Panics
    /// As [`Self::get`].
    #[track_caller]
    pub fn integer(&self, name: &str) -> i64 {
        self.get(name).parse().unwrap_or_else(|_| panic!("{name} is no integer parameter"))
    }

    /// The value of a [`Kind::Integer`] that counts something.
    ///
    /// # Panics
    /// As [`Self::get`].
    #[track_caller]
    pub fn count(&self, name: &str) -> usize {
        self.integer(name).try_into().unwrap_or_else(|_| panic!("{name} may be negative"))
    }

    /// The value of a [`Parameter::flag`].
    ///
    /// # Panics
    /// As [`Self::get`].
    #[track_caller]
    pub fn flag(&self, name: &str) -> bool {
        self.get(name) == YES.0
    }

    pub(crate) fn pairs(&self) -> Vec<(String, String)> {
        self.0.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;

    const PARAMETERS: &[Parameter] = &[
        Parameter::integer("n", text("数", "n"), 1, 8, 3),
        Parameter::line("s", text("文", "s"), 4, "abc"),
        Parameter::flag("f", text("旗", "f"), true),
    ];

    fn check(given: &[(&str, &str)]) -> Result<Values, Vec<FieldError>> {
        let given: Vec<_> = given.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        Values::check(PARAMETERS, &given, Lang::En)
    }

    #[test]
    fn defaults_stand_in_for_what_is_missing() {
        let values = check(&[("n", "8")]).unwrap();
        assert_eq!((values.integer("n"), values.get("s"), values.flag("f")), (8, "abc", true));
    }

    #[test]
    fn every_wrong_field_is_named() {
        let wrong = [("n", "9"), ("s", "abcde"), ("f", "maybe"), ("x", "1")];
        let errors = check(&wrong).unwrap_err();
        let names: Vec<_> = errors.iter().map(|error| error.name.as_str()).collect();
        assert_eq!(names, ["n", "s", "f", "x"]);
        assert!(errors[0].message.contains("from 1 to 8"), "{}", errors[0].message);
        for value in ["", "0", "-1", "3x", "99999999999999999999"] {
            assert!(check(&[("n", value)]).is_err(), "{value:?}");
        }
        assert!(check(&[("s", "汉字汉字")]).is_ok(), "characters count, not bytes");
        assert!(check(&[("s", "a\nb")]).is_err(), "one line");
    }
}
