//! How many characters a part can match: a lookbehind must know how far back to go.

use super::Node;

/// The least and the most; `None` is no limit.
pub(super) type Width = (u64, Option<u64>);

/// `groups` has the widths of the groups by their number; group 0 is not used.
pub(super) fn of(node: &Node, groups: &[Option<Width>]) -> Width {
    match node {
        Node::Literal(_) | Node::Any | Node::Category(_) | Node::Class { .. } => (1, Some(1)),
        Node::At(_) | Node::Look { .. } => (0, Some(0)),
        Node::Concat(parts) => parts.iter().map(|part| of(part, groups)).fold((0, Some(0)), sum),
        Node::Alternate(parts) => {
            let widths = parts.iter().map(|part| of(part, groups));
            widths.reduce(either).unwrap_or((0, Some(0)))
        }
        Node::Repeat { node, min, max, .. } => {
            let (low, high) = of(node, groups);
            let high = match (high, max) {
                (Some(0), _) | (_, Some(0)) => Some(0),
                (Some(high), Some(max)) => Some(high.saturating_mul(u64::from(*max))),
                _ => None,
            };
            (low.saturating_mul(u64::from(*min)), high)
        }
        Node::Group(_, node) | Node::Scope { node, .. } | Node::Atomic(node) => of(node, groups),
        Node::Backreference(group) => groups.get(*group).copied().flatten().unwrap_or((0, None)),
        Node::Conditional { yes, no, .. } => either(of(yes, groups), of(no, groups)),
    }
}

fn sum(first: Width, second: Width) -> Width {
    let high = first.1.zip(second.1).map(|(first, second)| first.saturating_add(second));
    (first.0.saturating_add(second.0), high)
}

fn either(first: Width, second: Width) -> Width {
    let high = first.1.zip(second.1).map(|(first, second)| first.max(second));
    (first.0.min(second.0), high)
}
