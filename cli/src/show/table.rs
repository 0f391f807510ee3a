//! Tables without borders: two spaces between columns, nothing at the end of a line, so that they can be cut, searched and pasted.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};

use super::wrap::columns;

/// A table of at most `width` columns with `head` and `rows`. Where it gets tight, the gaps shrink first, then long cells are broken, never
/// a heading.
pub fn table(head: &[&str], rows: Vec<Vec<String>>, width: usize) -> String {
    let natural = (0..head.len()).map(|at| widest(head, &rows, at) + 2).sum::<usize>();
    let gap = if natural <= width { 2 } else { 1 };
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width((width + gap) as u16);
    table.set_header(head.iter().copied());
    table.add_rows(rows);
    for (column, name) in table.column_iter_mut().zip(head) {
        column.set_padding((0, gap as u16));
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed((columns(name) + gap) as u16)));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn widest(head: &[&str], rows: &[Vec<String>], at: usize) -> usize {
    let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| columns(cell));
    cells.chain(head.get(at).map(|name| columns(name))).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_have_no_tail() {
        let text =
            table(&["NAME", "READY"], vec![vec!["w1".into(), "True".into()], vec!["long-name".into(), "-".into()]], 80);
        assert_eq!(text, "NAME       READY\nw1         True\nlong-name  -\n");
    }

    #[test]
    fn a_table_keeps_to_its_width() {
        let text = table(&["A", "B"], vec![vec!["x".into(), "many words that would go on for long".into()]], 24);
        assert!(text.lines().all(|line| line.chars().count() <= 24), "{text}");
    }

    #[test]
    fn a_heading_is_never_broken() {
        let rows = vec![vec!["a name that is rather long".into(), "another one that is long".into(), "3 s".into()]];
        let text = table(&["NAME", "KUBELET", "HEARTBEAT"], rows, 40);
        assert!(text.lines().next().unwrap().ends_with("HEARTBEAT"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
    }
}
