//! Files that a client has uploaded. They live as long as its connection.

use std::collections::BTreeMap;

use super::refusal::Refusal;

/// Bytes that a client's files may have together: the largest flash a few times over.
const CAPACITY: usize = 128 << 20;

/// A file, in the form in which it came and is given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Text(String),
    Binary(Vec<u8>),
}

impl Content {
    /// Its bytes, whatever the form.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

/// A client's files by name.
#[derive(Debug, Default)]
pub(super) struct Files(BTreeMap<String, Content>);

impl Files {
    /// Keeps a file; a later one replaces an earlier one.
    pub(super) fn put(&mut self, name: String, content: Content) -> Result<(), Refusal> {
        let others = self.0.iter().filter(|(other, _)| **other != name);
        let size = |name: &str, content: &Content| name.len() + content.bytes().len();
        let bytes = others.map(|(name, it)| size(name, it)).sum::<usize>() + size(&name, &content);
        if bytes > CAPACITY {
            return Err(Refusal::TooLarge { what: "all files together", bytes, most: CAPACITY });
        }
        self.0.insert(name, content);
        Ok(())
    }

    /// The file of that name.
    pub(super) fn get(&self, name: &str) -> Result<&Content, Refusal> {
        self.find(name).ok_or_else(|| Refusal::NoFile(name.to_owned()))
    }

    /// The file of that name, if there is one.
    pub(super) fn find(&self, name: &str) -> Option<&Content> {
        self.0.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_room_for_so_much_and_may_replace_what_it_has() {
        let mut files = Files::default();
        let half = || Content::Binary(vec![0; CAPACITY / 2 - 10]);
        files.put("a".to_owned(), half()).unwrap();
        files.put("b".to_owned(), half()).unwrap();
        files.put("a".to_owned(), half()).unwrap();
        let more = files.put("c".to_owned(), Content::Text("x".repeat(100)));
        assert!(matches!(more, Err(Refusal::TooLarge { .. })), "{more:?}");
        assert!(files.find("c").is_none());
    }
}
