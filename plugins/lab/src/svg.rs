//! Pictures as SVG. Colours are classes (`s0` … `s7`, `line`, `soft`, `bad`, `good`) that `lab.css` and the dark
//! mode give their meaning, so that a picture fits its page.

use std::fmt::{Display, Write};

use crate::text::escape;

/// Height of a line of text with some air.
const ROW: f64 = 26.0;
/// Pictures up to this width fit on a phone.
const SMALL: f64 = 320.0;
/// Width of pictures that fill their column.
const WIDTH: f64 = 640.0;

/// A picture that is being drawn. Lengths are in CSS pixels.
#[derive(Clone, Debug)]
pub struct Svg {
    width: f64,
    height: f64,
    body: String,
}

impl Svg {
    pub fn new(width: f64, height: f64) -> Self {
        Self { width, height, body: String::new() }
    }

    pub fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, class: &str) -> &mut Self {
        self.add(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\" rx=\"3\" class=\"{class}\"/>",
            width.max(1.0)
        ))
    }

    pub fn circle(&mut self, x: f64, y: f64, radius: f64, class: &str) -> &mut Self {
        self.add(format_args!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\" class=\"{class}\"/>"
        ))
    }

    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) -> &mut Self {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.add(format_args!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" class=\"{class}\"/>"
        ))
    }

    /// A line with an arrow's head at its end.
    pub fn arrow(&mut self, from: (f64, f64), to: (f64, f64), class: &str) -> &mut Self {
        let angle = (to.1 - from.1).atan2(to.0 - from.0);
        let side =
            |turn: f64| (to.0 - 9.0 * (angle + turn).cos(), to.1 - 9.0 * (angle + turn).sin());
        self.line(from, to, class).line(side(0.45), to, class).line(side(-0.45), to, class)
    }

    pub fn polyline(&mut self, points: &[(f64, f64)], class: &str) -> &mut Self {
        let mut list = String::new();
        for (x, y) in points {
            let _ = write!(list, "{x:.1},{y:.1} ");
        }
        self.add(format_args!("<polyline points=\"{}\" class=\"curve {class}\"/>", list.trim_end()))
    }

    /// `class` may have `middle` or `end` for the alignment.
    pub fn text(&mut self, x: f64, y: f64, class: &str, text: impl Display) -> &mut Self {
        let text = escape(&text.to_string());
        self.add(format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{text}</text>"))
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) -> &mut Self {
        let _ = self.body.write_fmt(element);
        self
    }

    /// The whole document; the title is for those who do not see it.
    pub fn finish(&self, title: &str) -> String {
        let Self { width, height, body } = self;
        // Such a picture is not made smaller than its letters can be read.
        let class = if *width > SMALL { "wide" } else { "" };
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"{class}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\"><title>{}</title>{body}</svg>",
            escape(title)
        )
    }
}

/// How wide a text is, about: Chinese characters are as wide as high.
pub fn text_width(text: &str) -> f64 {
    text.chars().map(|character| if character.is_ascii() { 7.6 } else { 14.0 }).sum()
}

fn widest<'t>(texts: impl Iterator<Item = &'t str>) -> f64 {
    texts.map(text_width).fold(0.0, f64::max)
}

/// A number as people write it: no more digits than it is worth.
pub fn number(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}

/// A bar for each value.
pub fn bars(values: &[(String, f64)], unit: &str) -> Svg {
    let mut svg = Svg::new(WIDTH, values.len() as f64 * ROW + 8.0);
    let left = widest(values.iter().map(|(label, _)| label.as_str())) + 16.0;
    let most = values.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
    let room = (WIDTH - left - 110.0).max(50.0);
    for (row, (label, value)) in values.iter().enumerate() {
        let y = row as f64 * ROW + 4.0;
        let width = value / most * room;
        svg.text(left - 8.0, y + 16.0, "end", label);
        svg.rect(left, y + 2.0, width, ROW - 8.0, &format!("s{}", row % 8));
        svg.text(left + width + 8.0, y + 16.0, "", format!("{} {unit}", number(*value)));
    }
    svg
}

/// One stretch of time in a row of a timeline, in any unit.
#[derive(Clone, Debug)]
pub struct Span {
    pub start: f64,
    pub end: f64,
    pub label: String,
    /// Such as `s0`.
    pub class: String,
}

/// Rows of stretches over one axis that begins at 0.
pub fn timeline(rows: &[(String, Vec<Span>)], unit: &str) -> Svg {
    let height = rows.len() as f64 * (ROW + 4.0);
    let mut svg = Svg::new(WIDTH, height + 34.0);
    let left = widest(rows.iter().map(|(label, _)| label.as_str())) + 16.0;
    let last = rows.iter().flat_map(|(_, spans)| spans).map(|span| span.end);
    let (step, last) = ticks(last.fold(0.0, f64::max), 8);
    let scale = (WIDTH - left - 24.0) / last;
    let mut tick = 0.0;
    while tick <= last + step / 2.0 {
        let x = left + tick * scale;
        svg.line((x, 0.0), (x, height), "soft");
        svg.text(x, height + 20.0, "middle small", format!("{} {unit}", trim(tick)));
        tick += step;
    }
    for (row, (label, spans)) in rows.iter().enumerate() {
        let y = row as f64 * (ROW + 4.0);
        svg.text(left - 8.0, y + 19.0, "end", label);
        for span in spans {
            let (x, width) = (left + span.start * scale, (span.end - span.start) * scale);
            svg.rect(x, y + 3.0, width - 1.0, ROW - 2.0, &span.class);
            if text_width(&span.label) < width {
                svg.text(x + width / 2.0, y + 19.0, "middle on", &span.label);
            }
        }
    }
    svg
}

/// A round distance of marks so that at most `count` reach `last`, and the last mark.
fn ticks(last: f64, count: usize) -> (f64, f64) {
    let last = if last > 0.0 { last } else { 1.0 };
    let rough = last / count as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|round| round * power);
    let step = step.into_iter().find(|step| *step >= rough * 0.999).unwrap_or(rough);
    (step, (last / step).ceil() * step)
}

/// Without zeros that say nothing.
fn trim(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A node of a tree; `parent` is an earlier index.
#[derive(Clone, Debug)]
pub struct Node {
    pub label: String,
    pub parent: Option<usize>,
    pub class: String,
}

/// A tree, the root at the left.
pub fn tree(nodes: &[Node]) -> Svg {
    let depth = |mut index: usize| {
        let mut depth = 0;
        while let Some(parent) = nodes[index].parent {
            (index, depth) = (parent, depth + 1);
        }
        depth
    };
    let depths: Vec<usize> = (0..nodes.len()).map(depth).collect();
    let column = widest(nodes.iter().map(|node| node.label.as_str())) + 56.0;
    let columns = depths.iter().max().map_or(1, |deepest| deepest + 1);
    let order = depth_first(nodes);
    let mut svg = Svg::new(columns as f64 * column, nodes.len() as f64 * (ROW + 6.0));
    let place = |index: usize| {
        let row = order.iter().position(|at| *at == index).unwrap_or(0);
        (depths[index] as f64 * column + 2.0, row as f64 * (ROW + 6.0) + 2.0)
    };
    for (index, node) in nodes.iter().enumerate() {
        let (x, y) = place(index);
        let width = column - 36.0;
        if let Some(parent) = node.parent {
            let (parent_x, parent_y) = place(parent);
            let middle = (parent_x + width + x) / 2.0;
            let (from, to) = (parent_y + ROW / 2.0, y + ROW / 2.0);
            svg.line((parent_x + width, from), (middle, from), "line");
            svg.line((middle, from), (middle, to), "line");
            svg.arrow((middle, to), (x, to), "line");
        }
        svg.rect(x, y, width, ROW, &node.class);
        svg.text(x + width / 2.0, y + 18.0, "middle on", &node.label);
    }
    svg
}

/// Parents before their children, families together.
fn depth_first(nodes: &[Node]) -> Vec<usize> {
    fn visit(nodes: &[Node], index: usize, order: &mut Vec<usize>) {
        order.push(index);
        for (child, node) in nodes.iter().enumerate() {
            if node.parent == Some(index) {
                visit(nodes, child, order);
            }
        }
    }
    let mut order = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        if node.parent.is_none() {
            visit(nodes, index, &mut order);
        }
    }
    order
}

/// A named curve of a chart.
#[derive(Clone, Debug)]
pub struct Curve {
    pub label: String,
    pub points: Vec<(f64, f64)>,
}

/// Curves over a common axis; `logarithmic` spreads the x axis by powers.
pub fn chart(curves: &[Curve], x_label: &str, y_label: &str, logarithmic: bool) -> Svg {
    const LEFT: f64 = 70.0;
    const HEIGHT: f64 = 260.0;
    let rows = curves.len().div_ceil(4) as f64;
    let mut svg = Svg::new(WIDTH, HEIGHT + 64.0 + rows * 20.0);
    let axis = |x: f64| if logarithmic { x.max(f64::MIN_POSITIVE).log10() } else { x };
    let xs = || curves.iter().flat_map(|curve| curve.points.iter().map(|point| axis(point.0)));
    let (first, last) =
        (xs().fold(f64::INFINITY, f64::min), xs().fold(f64::NEG_INFINITY, f64::max));
    let highest = curves.iter().flat_map(|curve| curve.points.iter().map(|point| point.1));
    let (step, top) = ticks(highest.fold(0.0, f64::max), 5);
    let range = if last > first { last - first } else { 1.0 };
    let x_of = |x: f64| LEFT + (axis(x) - first) / range * (WIDTH - LEFT - 24.0);
    let y_of = |y: f64| 24.0 + (1.0 - y / top) * (HEIGHT - 24.0);
    svg.text(0.0, 12.0, "small", y_label);
    svg.text(WIDTH - 8.0, HEIGHT + 38.0, "end small", x_label);
    let mut tick = 0.0;
    while tick <= top + step / 2.0 {
        svg.line((LEFT, y_of(tick)), (WIDTH - 24.0, y_of(tick)), "soft");
        svg.text(LEFT - 8.0, y_of(tick) + 4.0, "end small", trim(tick));
        tick += step;
    }
    let mut marks: Vec<f64> =
        curves.iter().flat_map(|curve| curve.points.iter().map(|point| point.0)).collect();
    marks.sort_by(f64::total_cmp);
    marks.dedup();
    let every = marks.len().div_ceil(10).max(1);
    for mark in marks.iter().step_by(every) {
        svg.text(x_of(*mark), HEIGHT + 18.0, "middle small", trim(*mark));
    }
    for (index, curve) in curves.iter().enumerate() {
        let class = format!("s{}", index % 8);
        let points: Vec<_> = curve.points.iter().map(|(x, y)| (x_of(*x), y_of(*y))).collect();
        svg.polyline(&points, &class);
        points.iter().for_each(|(x, y)| {
            svg.circle(*x, *y, 3.0, &class);
        });
        let (x, y) = (LEFT + (index % 4) as f64 * 160.0, HEIGHT + 56.0 + (index / 4) as f64 * 20.0);
        svg.rect(x, y - 10.0, 12.0, 12.0, &class);
        svg.text(x + 18.0, y, "small", &curve.label);
    }
    svg
}

/// Fields of bytes side by side, a number of bytes in each row: the layout of a packet.
pub fn bytes(fields: &[(String, Vec<u8>)]) -> Svg {
    const BYTES: usize = 16;
    const CELL: f64 = 34.0;
    let all: Vec<(usize, u8)> = fields
        .iter()
        .enumerate()
        .flat_map(|(field, (_, bytes))| bytes.iter().map(move |byte| (field, *byte)))
        .collect();
    let rows = all.len().div_ceil(BYTES) as f64;
    let mut svg = Svg::new(WIDTH, rows * (ROW + 4.0) + fields.len() as f64 * 22.0 + 12.0);
    for (index, (field, byte)) in all.iter().enumerate() {
        let x = (index % BYTES) as f64 * CELL + 60.0;
        let y = (index / BYTES) as f64 * (ROW + 4.0);
        if index % BYTES == 0 {
            svg.text(50.0, y + 19.0, "end small", format!("{index:04x}"));
        }
        svg.rect(x, y + 2.0, CELL - 2.0, ROW, &format!("s{}", field % 8));
        svg.text(x + CELL / 2.0 - 1.0, y + 19.0, "middle on", format!("{byte:02x}"));
    }
    for (index, (label, _)) in fields.iter().enumerate() {
        let y = rows * (ROW + 4.0) + index as f64 * 22.0 + 20.0;
        svg.rect(60.0, y - 11.0, 14.0, 14.0, &format!("s{}", index % 8));
        svg.text(82.0, y + 1.0, "", label);
    }
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_few() {
        assert_eq!(ticks(10.0, 8), (2.0, 10.0));
        assert_eq!(ticks(0.9, 8), (0.2, 1.0));
        assert_eq!(ticks(12345.0, 5), (5000.0, 15000.0));
        assert_eq!(ticks(0.0, 5), (0.2, 1.0));
    }

    #[test]
    fn text_is_escaped_in_pictures() {
        let svg = bars(&[("<a&b>".to_owned(), 1.0)], "s").finish("\"t\"");
        assert!(svg.contains("&lt;a&amp;b&gt;") && svg.contains("<title>&quot;t&quot;"), "{svg}");
    }

    #[test]
    fn families_of_a_tree_stay_together() {
        let node = |parent| Node { label: String::new(), parent, class: String::new() };
        let nodes = [node(None), node(Some(0)), node(Some(0)), node(Some(1))];
        assert_eq!(depth_first(&nodes), [0, 1, 3, 2]);
    }
}
