//! What the supervisor tells people on standard output: where it listens and what is served there.

use std::io::Write;

use super::generation::Generation;
use crate::config::{Config, DEFAULT_ROUTE, Pattern, TargetName};
use crate::control::PluginSpec;

/// One line per address, and one per plugin with its URL or the reason why it is not served.
pub fn print(generation: &Generation) {
    let mut text = String::new();
    let operators = generation.config.admin_listen.len();
    let public = generation.listening.len().saturating_sub(operators);
    for (number, listening) in generation.listening.iter().enumerate() {
        let whom = if number < public { "" } else { "for operators " };
        text.push_str(&format!("listening {whom}on http://{}/\n", listening.bound));
    }
    let base = generation.listening.first().map(|listening| listening.bound);
    let base = base.map(|address| format!("http://{address}")).unwrap_or_default();
    for plugin in &generation.plugins {
        text.push_str(&line(plugin, &base, &generation.config));
        text.push('\n');
    }
    // Nobody reads it if this fails.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn line(plugin: &PluginSpec, base: &str, config: &Config) -> String {
    let name = &plugin.name;
    match &plugin.library {
        Err(refusal) => format!("{name}: not served: {}", first_line(&refusal.reason)),
        Ok(_) => match address(name, config) {
            Some(path) => format!("{name}: {base}{path}"),
            None => format!("{name}: served where the route rules say"),
        },
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Where a plugin can be reached for certain.
fn address(name: &str, config: &Config) -> Option<String> {
    if let Some(mount) = config.plugin.get(name).and_then(|plugin| plugin.mount.clone()) {
        return Some(mount);
    }
    config.routes.iter().find_map(|rule| match (&rule.pattern, &rule.target) {
        (Pattern::Regex(regex), TargetName::PluginFromGroup) if regex == DEFAULT_ROUTE => {
            Some(format!("/{name}.py"))
        }
        (Pattern::Prefix(prefix), TargetName::Plugin(plugin)) if plugin == name => {
            Some(prefix.clone())
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{PluginConfig, RouteRule};

    #[test]
    fn a_plugin_is_announced_where_it_answers() {
        let mut config = Config::default();
        assert_eq!(address("a", &config), Some("/a.py".to_owned()));
        let mount = Some("/shop".to_owned());
        config.plugin.insert("s".to_owned(), PluginConfig { mount, ..PluginConfig::default() });
        assert_eq!(address("s", &config), Some("/shop".to_owned()));
        config.routes = vec![RouteRule {
            pattern: Pattern::Regex("/x".to_owned()),
            target: TargetName::Plugin("a".to_owned()),
            request_timeout: None,
        }];
        assert_eq!(address("a", &config), None);
    }
}
