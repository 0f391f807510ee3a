//! Tables without borders: two spaces between columns, nothing at the end of a line, so that they can be cut, searched and pasted.

use comfy_table::{ContentArrangement, Table, presets};

/// A table of at most `width` columns with `head` and `rows`.
pub fn table(head: &[&str], rows: Vec<Vec<String>>, width: usize) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width as u16);
    table.set_header(head.iter().copied());
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_have_no_tail() {
        let text = table(&["NAME", "READY"], vec![vec!["w1".into(), "True".into()], vec!["long-name".into(), "-".into()]], 80);
        assert_eq!(text, "NAME       READY\nw1         True\nlong-name  -\n");
    }

    #[test]
    fn a_table_keeps_to_its_width() {
        let text = table(&["A", "B"], vec![vec!["x".into(), "many words that would go on for long".into()]], 24);
        assert!(text.lines().all(|line| line.chars().count() <= 24), "{text}");
    }
}
