//! What the two sides agree on before a transfer (RFC 2347, 2348, 2349).

use std::time::Duration;

/// RFC 1350's size, without an agreement.
pub const PLAIN_BLOCK_SIZE: usize = 512;

/// The options of one transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Of the data in a packet: 8 to 65,464.
    pub block_size: usize,
    /// Before a packet is sent again; `None`: by measurement.
    pub timeout: Option<Duration>,
    /// Of the whole file, where the other side tells it.
    pub size: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { block_size: PLAIN_BLOCK_SIZE, timeout: None, size: None }
    }
}

impl Options {
    /// What a client asks for. `size`: of the file it sends, 0 when it wants to know.
    pub fn to_ask(self) -> Vec<(String, String)> {
        let mut asked = Vec::new();
        if self.block_size != PLAIN_BLOCK_SIZE {
            asked.push(("blksize".to_owned(), self.block_size.to_string()));
        }
        if let Some(timeout) = self.timeout {
            asked.push(("timeout".to_owned(), timeout.as_secs().to_string()));
        }
        if let Some(size) = self.size {
            asked.push(("tsize".to_owned(), size.to_string()));
        }
        asked
    }

    /// A server's answer: what it grants, and how it says so. What it does not know or cannot read
    /// it leaves out, as RFC 2347 wants. `own_size`: of the file that is read.
    pub fn grant(
        asked: &[(String, String)],
        own_size: Option<u64>,
    ) -> (Self, Vec<(String, String)>) {
        let mut granted = Self::default();
        let mut answer = Vec::<(String, String)>::new();
        for (name, value) in asked {
            if answer.iter().any(|(known, _)| known == name) {
                continue; // RFC 2347: an option may come once.
            }
            let number = value.parse::<u64>().ok();
            match (name.as_str(), number) {
                // RFC 2348: the answer may be smaller than what was asked for.
                ("blksize", Some(size @ 8..)) => {
                    granted.block_size = size.min(65_464) as usize;
                    answer.push((name.clone(), granted.block_size.to_string()));
                }
                ("timeout", Some(seconds @ 1..=255)) => {
                    granted.timeout = Some(Duration::from_secs(seconds));
                    answer.push((name.clone(), seconds.to_string()));
                }
                ("tsize", Some(told)) => {
                    granted.size = own_size.or(Some(told));
                    answer.push((name.clone(), own_size.unwrap_or(told).to_string()));
                }
                _ => {}
            }
        }
        (granted, answer)
    }

    /// What a client has to keep to after the server's answer.
    ///
    /// # Errors
    /// The server answers what was not asked for.
    pub fn agreed(self, answer: &[(String, String)]) -> Result<Self, String> {
        let asked = self.to_ask();
        let mut agreed = Self { timeout: None, size: self.size, ..Self::default() };
        for (name, value) in answer {
            let bad =
                || format!("the server answers the option {name}={value}, which was not asked for");
            if !asked.iter().any(|(known, _)| known == name) {
                return Err(bad());
            }
            let number: u64 = value.parse().map_err(|_| bad())?;
            match name.as_str() {
                "blksize" if (8..=self.block_size as u64).contains(&number) => {
                    agreed.block_size = number as usize;
                }
                // RFC 2349: the server must accept the very value, or leave it out.
                "timeout" if self.timeout == Some(Duration::from_secs(number)) => {
                    agreed.timeout = self.timeout;
                }
                "tsize" => agreed.size = Some(number),
                _ => return Err(bad()),
            }
        }
        Ok(agreed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_server_grants_what_the_standards_allow() {
        for (asked, own_size, answer) in [
            (&[("blksize", "1432")][..], None, &[("blksize", "1432")][..]),
            (&[("blksize", "70000")], None, &[("blksize", "65464")]),
            (&[("blksize", "7")], None, &[]),
            (&[("blksize", "x"), ("timeout", "3")], None, &[("timeout", "3")]),
            (&[("timeout", "0")], None, &[]),
            (&[("timeout", "256")], None, &[]),
            (&[("tsize", "0")], Some(99), &[("tsize", "99")]),
            (&[("tsize", "7")], None, &[("tsize", "7")]),
            (&[("windowsize", "8"), ("multicast", "")], None, &[]),
            (&[("blksize", "8"), ("blksize", "9")], None, &[("blksize", "8")]),
        ] {
            assert_eq!(Options::grant(&owned(asked), own_size).1, owned(answer), "{asked:?}");
        }
    }

    #[test]
    fn a_client_keeps_to_the_answer_and_refuses_what_it_did_not_ask() {
        let asked = Options { block_size: 1432, timeout: None, size: Some(0) };
        assert_eq!(asked.to_ask(), owned(&[("blksize", "1432"), ("tsize", "0")]));
        let agreed = asked.agreed(&owned(&[("blksize", "1024"), ("tsize", "5")])).unwrap();
        assert_eq!((agreed.block_size, agreed.size), (1024, Some(5)));
        // An option that the server leaves out is not in force.
        assert_eq!(asked.agreed(&[]).unwrap().block_size, PLAIN_BLOCK_SIZE);
        for wrong in [("blksize", "1433"), ("blksize", "4"), ("timeout", "1"), ("tsize", "x")] {
            assert!(asked.agreed(&owned(&[wrong])).is_err(), "{wrong:?}");
        }
    }
}
