//! `cargo xtask sizes`: a file that grows past its bound wants a second door, a function a second name. A machine says so early.

use std::path::{Path, PathBuf};

use anyhow::Context;
use syn::spanned::Spanned;
use syn::visit::Visit;

const FILE_LIMIT: usize = 600;
const FUNCTION_LIMIT: usize = 60;

#[derive(Default)]
struct Found {
    files: Vec<usize>,
    functions: Vec<usize>,
    wrong: Vec<String>,
}

struct Functions<'a> {
    file: &'a Path,
    found: &'a mut Found,
}

impl Functions<'_> {
    fn note(&mut self, name: &syn::Ident, block: &syn::Block) {
        let (first, last) = (block.span().start().line, block.span().end().line);
        let lines = last.saturating_sub(first) + 1;
        self.found.functions.push(lines);
        if lines > FUNCTION_LIMIT {
            self.found.wrong.push(format!(
                "{}:{first}: {name} has {lines} lines, {FUNCTION_LIMIT} are the limit",
                self.file.display()
            ));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.note(&item.sig.ident, &item.block);
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.note(&item.sig.ident, &item.block);
        syn::visit::visit_impl_item_fn(self, item);
    }
}

pub(crate) fn sizes() -> anyhow::Result<()> {
    let root = crate::run::root();
    let mut found = Found::default();
    for file in rust_files(&root)? {
        measure(file.strip_prefix(&root)?, &std::fs::read_to_string(&file)?, &mut found)
            .with_context(|| file.display().to_string())?;
    }
    row("files", &mut found.files, FILE_LIMIT);
    row("functions", &mut found.functions, FUNCTION_LIMIT);
    anyhow::ensure!(found.wrong.is_empty(), "{}", found.wrong.join("\n"));
    Ok(())
}

fn measure(file: &Path, text: &str, found: &mut Found) -> anyhow::Result<()> {
    let lines = text.lines().count();
    found.files.push(lines);
    if lines > FILE_LIMIT {
        found.wrong.push(format!("{}: {lines} lines, {FILE_LIMIT} are the limit", file.display()));
    }
    if !text.starts_with("//!") {
        found.wrong.push(format!("{}: no header that says why it exists", file.display()));
    }
    Functions { file, found }.visit_file(&syn::parse_file(text)?);
    Ok(())
}

fn row(what: &str, sizes: &mut [usize], limit: usize) {
    sizes.sort_unstable();
    let at = |share: usize| sizes.get((sizes.len().saturating_sub(1)) * share / 100).copied().unwrap_or_default();
    println!(
        "{what:<10} {:>5}   median {:>3}   p90 {:>3}   longest {:>3}   limit {limit}",
        sizes.len(),
        at(50),
        at(90),
        at(100)
    );
}

fn rust_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_and_a_long_function_are_both_found() {
        let body = "    let _ = 1;\n".repeat(61);
        let text = format!("//! Why.\nfn long() {{\n{body}}}\n{}", "// x\n".repeat(600));
        let mut found = Found::default();
        measure(Path::new("a.rs"), &text, &mut found).unwrap();
        assert_eq!(found.wrong.len(), 2, "{:?}", found.wrong);
    }

    #[test]
    fn a_file_without_a_header_is_found() {
        let mut found = Found::default();
        measure(Path::new("a.rs"), "fn short() {}\n", &mut found).unwrap();
        assert_eq!(found.wrong, ["a.rs: no header that says why it exists"]);
    }
}
