//! A text with its matches in colour, and their groups underlined.

use lab::svg::Svg;

use crate::re::Match;

/// What a picture shows of a text.
const LINES: usize = 40;
const COLUMNS: usize = 84;
/// Of one column and one row, in pixels.
const WIDTH: f64 = 8.5;
const HEIGHT: f64 = 26.0;

/// The characters of a text on a grid.
struct Grid {
    /// Row and column of each character, and how many columns it takes; the end comes last.
    places: Vec<(usize, usize, usize)>,
    is_cut: bool,
}

impl Grid {
    fn new(text: &str) -> Self {
        let mut places = Vec::new();
        let (mut row, mut column) = (0, 0);
        for c in text.chars() {
            let width = if c > '\u{2e7f}' { 2 } else { 1 };
            if column + width > COLUMNS {
                (row, column) = (row + 1, 0);
            }
            if row >= LINES {
                return Self { places, is_cut: true };
            }
            places.push((row, column, width));
            column += width;
            if c == '\n' {
                (row, column) = (row + 1, 0);
            }
        }
        places.push((row, column, 0));
        Self { places, is_cut: false }
    }

    /// The stretches of a span, one for each row.
    fn stretches(&self, (start, end): (usize, usize)) -> Vec<(usize, usize, usize)> {
        let mut stretches: Vec<(usize, usize, usize)> = Vec::new();
        for (row, column, width) in self.places.iter().take(end).skip(start) {
            match stretches.last_mut() {
                Some((last, _, until)) if last == row => *until = column + width,
                _ => stretches.push((*row, *column, column + width)),
            }
        }
        // An empty match is a bar between two characters.
        if start == end
            && let Some((row, column, _)) = self.places.get(start)
        {
            stretches.push((*row, *column, *column));
        }
        stretches
    }
}

pub fn draw(text: &str, matches: &[Match]) -> Svg {
    let grid = Grid::new(text);
    let rows = grid.places.last().map_or(0, |(row, ..)| *row) + 1;
    // No wider than the text: a phone would make a wide picture small.
    let columns = grid.places.iter().map(|(_, column, width)| column + width).max().unwrap_or(0);
    let columns = if grid.is_cut { COLUMNS } else { columns + 1 };
    let mut svg = Svg::new(columns as f64 * WIDTH + 6.0, rows as f64 * HEIGHT + 6.0);
    let x = |column: usize| 3.0 + column as f64 * WIDTH;
    let y = |row: usize| 3.0 + row as f64 * HEIGHT;
    let mut is_marked = vec![false; grid.places.len() + 1];
    for (number, found) in matches.iter().enumerate() {
        let span = found.span(0).unwrap_or_default();
        for (row, from, to) in grid.stretches(span) {
            let width = (to - from) as f64 * WIDTH;
            svg.rect(x(from), y(row), width.max(2.0), HEIGHT - 6.0, &format!("s{}", number % 2));
        }
        is_marked.iter_mut().take(span.1).skip(span.0).for_each(|mark| *mark = true);
        for group in 1..=found.count() {
            let Some(span) = found.span(group) else { continue };
            for (row, from, to) in grid.stretches(span) {
                // Groups in groups: each a little lower.
                let level = y(row) + HEIGHT - 5.0 + (group % 3) as f64 * 2.0;
                svg.line((x(from) + 1.0, level), (x(to) - 1.0, level), "line");
            }
        }
    }
    for (index, c) in text.chars().enumerate().take(grid.places.len()) {
        let (row, column, width) = grid.places[index];
        let shown = match c {
            ' ' => continue,
            '\n' => '↵',
            '\t' => '→',
            c if c.is_control() => '·',
            c => c,
        };
        let middle = x(column) + width as f64 * WIDTH / 2.0;
        let class = if is_marked[index] { "middle on" } else { "middle" };
        svg.text(middle, y(row) + 15.0, class, shown);
    }
    if grid.is_cut {
        svg.text(x(COLUMNS), y(rows - 1) + 15.0, "end", "…");
    }
    svg
}
