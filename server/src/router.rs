//! Route rules: which plugin, or the static files, a path leads to. The first rule that matches
//! decides; the number of rules does not matter much to the time it takes.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use regex::{Regex, RegexSet};

use crate::config::{Pattern, RouteRule, TargetName};
use crate::worker::monitor::Clock;

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination<'p> {
    /// The plugin of that name, which may not exist.
    Plugin(&'p str),
    Files,
}

/// A matched rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Match<'r, 'p> {
    pub destination: Destination<'p>,
    pub route: Route<'r>,
}

/// How a rule takes a path apart. The ranges lie in the path.
#[derive(Debug, PartialEq, Eq)]
pub struct Route<'r> {
    /// SCRIPT_NAME.
    pub mount: Range<usize>,
    /// PATH_INFO.
    pub path: Range<usize>,
    /// The named groups that took part in the match.
    pub variables: Vec<(&'r str, Range<usize>)>,
    /// Ticks that a call into the plugin may take, if the rule says so.
    pub call_ticks: Option<u32>,
}

/// A rule that cannot be used.
#[derive(Debug)]
pub struct RouteError {
    pattern: String,
    reason: String,
}

impl std::error::Error for RouteError {}

impl fmt::Display for RouteError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the route rule {:?} cannot be used: {}", self.pattern, self.reason)
    }
}

pub struct Router {
    /// By prefix: the first rule with it.
    prefixes: HashMap<String, PrefixRule>,
    /// In the order of the rules.
    regexes: Vec<RegexRule>,
    /// All regular expressions at once.
    set: RegexSet,
}

struct PrefixRule {
    number: usize,
    target: TargetName,
    call_ticks: Option<u32>,
}

struct RegexRule {
    number: usize,
    regex: Regex,
    target: TargetName,
    call_ticks: Option<u32>,
    /// Numbers of the groups with a meaning.
    mount: Option<usize>,
    path: Option<usize>,
    plugin: Option<usize>,
    /// Named groups and their numbers.
    variables: Vec<(String, usize)>,
}

impl Router {
    /// # Errors
    /// A regular expression does not compile, or has no group `plugin` although it leads to the
    /// plugin named there.
    pub fn new(rules: &[RouteRule]) -> Result<Self, RouteError> {
        let mut prefixes = HashMap::new();
        let mut regexes = Vec::new();
        for (number, rule) in rules.iter().enumerate() {
            match &rule.pattern {
                Pattern::Prefix(prefix) => {
                    let prefix = prefix.trim_end_matches('/').to_owned();
                    let (target, call_ticks) = (rule.target.clone(), call_ticks(rule));
                    let rule = PrefixRule { number, target, call_ticks };
                    prefixes.entry(prefix).or_insert(rule);
                }
                Pattern::Regex(pattern) => {
                    let rule = RegexRule::new(number, pattern, rule);
                    regexes.push(
                        rule.map_err(|reason| RouteError { pattern: pattern.clone(), reason })?,
                    );
                }
            }
        }
        let set = RegexSet::new(regexes.iter().map(|rule| rule.regex.as_str()));
        let set = set.map_err(|error| RouteError {
            pattern: "all together".to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Self { prefixes, regexes, set })
    }

    /// The rule for a path. `None`: no rule matches.
    pub fn find<'r: 'p, 'p>(&'r self, path: &'p str) -> Option<Match<'r, 'p>> {
        let by_prefix = self.find_prefix(path);
        let by_regex = self.find_regex(path);
        match (by_prefix, by_regex) {
            (Some((_, prefix)), Some(rule)) if rule.number < prefix.number => rule.route(path),
            (Some((length, prefix)), _) => Some(prefix.route(path, length)),
            (None, Some(rule)) => rule.route(path),
            (None, None) => None,
        }
    }

    /// The first of the rules whose prefix is whole segments of the path, and its length.
    fn find_prefix(&self, path: &str) -> Option<(usize, &PrefixRule)> {
        if self.prefixes.is_empty() {
            return None;
        }
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        ends.filter_map(|end| Some((end, self.prefixes.get(&path[..end])?)))
            .min_by_key(|(_, rule)| rule.number)
    }

    fn find_regex(&self, path: &str) -> Option<&RegexRule> {
        match &self.regexes[..] {
            [] => None,
            [only] => Some(only),
            rules => Some(&rules[self.set.matches(path).iter().next()?]),
        }
    }
}

fn call_ticks(rule: &RouteRule) -> Option<u32> {
    rule.request_timeout.map(Clock::ticks)
}

impl PrefixRule {
    fn route<'r>(&'r self, path: &str, length: usize) -> Match<'r, 'r> {
        let destination = match &self.target {
            TargetName::Plugin(name) => Destination::Plugin(name),
            TargetName::PluginFromGroup | TargetName::Files => Destination::Files,
        };
        let route = Route {
            mount: 0..length,
            path: length..path.len(),
            variables: Vec::new(),
            call_ticks: self.call_ticks,
        };
        Match { destination, route }
    }
}

impl RegexRule {
    fn new(number: usize, pattern: &str, rule: &RouteRule) -> Result<Self, String> {
        let target = rule.target.clone();
        let call_ticks = call_ticks(rule);
        // A rule is about the whole path.
        let regex =
            Regex::new(&format!(r"\A(?:{pattern})\z")).map_err(|error| error.to_string())?;
        let group = |wanted: &str| regex.capture_names().position(|name| name == Some(wanted));
        let (mount, path, plugin) = (group("mount"), group("path"), group("plugin"));
        if target == TargetName::PluginFromGroup && plugin.is_none() {
            return Err("it names no plugin and has no group (?<plugin>…)".to_owned());
        }
        let names = regex.capture_names().enumerate();
        let variables =
            names.filter_map(|(number, name)| Some((name?.to_owned(), number))).collect();
        Ok(Self { number, target, call_ticks, mount, path, plugin, variables, regex })
    }

    fn route<'r: 'p, 'p>(&'r self, path: &'p str) -> Option<Match<'r, 'p>> {
        let mut groups = self.regex.capture_locations();
        self.regex.captures_read(&mut groups, path)?;
        let range = |number: usize| groups.get(number).map(|(start, end)| start..end);
        let destination = match &self.target {
            TargetName::Plugin(name) => Destination::Plugin(name),
            TargetName::Files => Destination::Files,
            TargetName::PluginFromGroup => Destination::Plugin(&path[range(self.plugin?)?]),
        };
        let mount = self.mount.and_then(range).unwrap_or(0..0);
        let rest = match self.path {
            Some(group) => range(group).unwrap_or(mount.end..mount.end),
            None => mount.end..path.len(),
        };
        let variables = self
            .variables
            .iter()
            .filter_map(|(name, number)| Some((name.as_str(), range(*number)?)));
        let route = Route {
            mount,
            path: rest,
            variables: variables.collect(),
            call_ticks: self.call_ticks,
        };
        Some(Match { destination, route })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DEFAULT_ROUTE;

    fn regex(pattern: &str, target: TargetName) -> RouteRule {
        RouteRule { pattern: Pattern::Regex(pattern.to_owned()), target, request_timeout: None }
    }

    fn prefix(prefix: &str, plugin: &str) -> RouteRule {
        let target = TargetName::Plugin(plugin.to_owned());
        RouteRule { pattern: Pattern::Prefix(prefix.to_owned()), target, request_timeout: None }
    }

    /// Plugin, SCRIPT_NAME and PATH_INFO of a path.
    fn parts<'p>(router: &'p Router, path: &'p str) -> Option<(&'p str, &'p str, &'p str)> {
        let Match { destination, route } = router.find(path)?;
        let plugin = match destination {
            Destination::Plugin(name) => name,
            Destination::Files => "",
        };
        Some((plugin, &path[route.mount], &path[route.path]))
    }

    #[test]
    fn the_default_rule() {
        let router = Router::new(&[regex(DEFAULT_ROUTE, TargetName::PluginFromGroup)]).unwrap();
        assert_eq!(parts(&router, "/a.py"), Some(("a", "/a.py", "")));
        assert_eq!(parts(&router, "/a.py/x"), Some(("a", "/a.py", "/x")));
        assert_eq!(parts(&router, "/a.py/"), Some(("a", "/a.py", "/")));
        for path in ["/", "/a.pyx", "/x/a.py", "/a.b.py", "/.py", "/a.py\n"] {
            assert_eq!(parts(&router, path), None, "{path:?}");
        }
        let found = router.find("/a.py/x").unwrap();
        assert_eq!(found.route.variables, [("mount", 0..5), ("plugin", 1..2), ("path", 5..7)]);
    }

    #[test]
    fn a_prefix_is_whole_segments() {
        let router = Router::new(&[prefix("/shop", "s")]).unwrap();
        assert_eq!(parts(&router, "/shop"), Some(("s", "/shop", "")));
        assert_eq!(parts(&router, "/shop/a/b"), Some(("s", "/shop", "/a/b")));
        assert_eq!(parts(&router, "/shopping"), None);
        let root = Router::new(&[prefix("/", "r")]).unwrap();
        assert_eq!(parts(&root, "/x"), Some(("r", "", "/x")));
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let rules = [
            regex("/user/(?<id>[0-9]+)", TargetName::Plugin("number".to_owned())),
            prefix("/user", "user"),
            regex("/user/.*", TargetName::Plugin("never".to_owned())),
            prefix("/user/x", "never"),
            regex("/files/.*", TargetName::Files),
        ];
        let router = Router::new(&rules).unwrap();
        assert_eq!(parts(&router, "/user/7"), Some(("number", "", "/user/7")));
        assert_eq!(router.find("/user/7").unwrap().route.variables, [("id", 6..7)]);
        assert_eq!(parts(&router, "/user/x"), Some(("user", "/user", "/x")));
        assert_eq!(router.find("/files/x").unwrap().destination, Destination::Files);
        assert_eq!(parts(&router, "/other"), None);
    }

    #[test]
    fn a_rule_that_cannot_work_is_refused() {
        assert!(Router::new(&[regex("(", TargetName::Files)]).is_err());
        let error = Router::new(&[regex("/x", TargetName::PluginFromGroup)]).err().unwrap();
        assert!(error.to_string().contains("plugin"), "{error}");
    }
}
