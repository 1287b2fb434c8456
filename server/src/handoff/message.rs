//! The bytes that describe moving connections, many to a message, and the descriptors beside them.
//!
//! Writing allocates nothing: the bytes go into a buffer that was there before, and what is too
//! large for a message goes into a memory file. Both ends are the same program or an older or newer
//! one of it, so the message begins with its version; one of another version is not guessed at.

use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

use rustix::fs::MemfdFlags;

/// `TNH` and the version of the layout.
pub const MAGIC: u32 = u32::from_le_bytes(*b"TNH2");
/// Connections in one message, so that a crowd is shared by those who adopt it.
pub const MOST: usize = 32;
/// Descriptors of one connection: its socket, its request body, the file it is being sent.
const DESCRIPTORS_EACH: usize = 3;
/// Descriptors in one message, fewer than the kernel allows (unix(7): SCM_MAX_FD, 253).
pub const DESCRIPTORS: usize = MOST * DESCRIPTORS_EACH;
/// Bytes of one message: below the least send buffer of a socket (socket(7): wmem_default).
pub const SIZE: usize = 160 * 1024;
/// A message of this size takes no further connection.
const FULL: usize = 32 * 1024;
/// Request bodies above this size travel in a memory file.
const INLINE_BODY: usize = 16 * 1024;

/// A connection on its way, as its sender sees it: nothing is copied until it is written.
pub struct Parcel<'c> {
    pub socket: BorrowedFd<'c>,
    pub state: State,
    /// Both ends, remote and local, if a PROXY header told them; else empty.
    pub ends: [&'c [u8]; 2],
    /// The head of a request whose body is on its way; empty: none is.
    pub head: &'c [u8],
    pub body: Body<'c>,
    /// Bytes of the client that nothing was made of yet, in order.
    pub input: [&'c [u8]; 3],
    /// Encoded bytes that the client has not taken yet.
    pub output: &'c [u8],
    /// What follows them.
    pub tail: Tail<'c>,
}

/// What a connection knows about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// No request has come on it yet.
    pub is_fresh: bool,
    /// No further request is read from it.
    pub is_closing: bool,
    /// The client may send bytes that nobody reads.
    pub has_unread_input: bool,
    /// Tenths of a second until what it waits for must have happened; 0: it waits for nothing.
    pub time_left: u32,
    /// How often it has moved since it was last served.
    pub hops: u8,
    /// It came in where operators do.
    pub is_operator: bool,
    /// A PROXY header comes first.
    pub awaits_proxy_header: bool,
}

/// A request body as far as it has arrived.
pub enum Body<'c> {
    None,
    Memory(&'c [u8], DecoderState),
    File(BorrowedFd<'c>, DecoderState),
}

/// See `BodyDecoder::to_words`.
pub type DecoderState = [u64; 4];

pub enum Tail<'c> {
    None,
    Bytes(&'c [u8]),
    File { file: BorrowedFd<'c>, offset: u64, left: u64 },
}

/// Why a connection is not in the message.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// The message is full; send it and try again.
    Full,
    /// It can never be: it has more buffered than a message holds, or there is no memory file.
    Never,
}

/// A message being written. One of these serves for any number of messages.
pub struct Message<'b> {
    buffer: &'b mut [u8],
    length: usize,
    count: usize,
    descriptors: [RawFd; DESCRIPTORS],
    descriptor_count: usize,
    /// Memory files made for this message: closed once it is sent.
    files: [RawFd; DESCRIPTORS],
    file_count: usize,
}

const HEADER: usize = 8;

impl<'b> Message<'b> {
    /// In a buffer of at least `SIZE` bytes.
    pub fn new(buffer: &'b mut [u8]) -> Self {
        let mut message = Self {
            buffer,
            length: 0,
            count: 0,
            descriptors: [-1; DESCRIPTORS],
            descriptor_count: 0,
            files: [-1; DESCRIPTORS],
            file_count: 0,
        };
        message.clear();
        message
    }

    pub fn count(&self) -> usize {
        self.count
    }

    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }

    /// In the order in which `Reader` takes them. They live as long as the parcels they came from.
    pub fn descriptors(&self) -> &[RawFd] {
        &self.descriptors[..self.descriptor_count]
    }

    /// Sent, or given up.
    pub fn clear(&mut self) {
        for file in &self.files[..self.file_count] {
            super::channel::close(*file);
        }
        self.file_count = 0;
        self.descriptor_count = 0;
        self.count = 0;
        self.length = HEADER;
        self.buffer[..4].copy_from_slice(&MAGIC.to_le_bytes());
        self.buffer[4..HEADER].fill(0);
    }

    /// Adds a connection.
    ///
    /// # Errors
    /// See `Refused`; the message is as it was.
    pub fn push(&mut self, parcel: &Parcel<'_>) -> Result<(), Refused> {
        if self.count == MOST || (self.count > 0 && self.length > FULL) {
            return Err(Refused::Full);
        }
        let before = (self.length, self.descriptor_count, self.file_count);
        if self.write(parcel).is_none() {
            (self.length, self.descriptor_count) = (before.0, before.1);
            for file in &self.files[before.2..self.file_count] {
                super::channel::close(*file);
            }
            self.file_count = before.2;
            return Err(if self.count == 0 { Refused::Never } else { Refused::Full });
        }
        self.count += 1;
        self.buffer[4..6].copy_from_slice(&(self.count as u16).to_le_bytes());
        Ok(())
    }

    fn write(&mut self, parcel: &Parcel<'_>) -> Option<()> {
        use std::os::fd::AsRawFd;
        self.descriptor(parcel.socket.as_raw_fd())?;
        let state = &parcel.state;
        let flags = u8::from(state.is_fresh)
            | u8::from(state.is_closing) << 1
            | u8::from(state.has_unread_input) << 2
            | u8::from(state.is_operator) << 3
            | u8::from(state.awaits_proxy_header) << 4;
        self.raw(&[flags, state.hops])?;
        self.raw(&state.time_left.to_le_bytes())?;
        self.text(&[parcel.ends[0]])?;
        self.text(&[parcel.ends[1]])?;
        self.text(&[parcel.head])?;
        match &parcel.body {
            Body::None => self.raw(&[0])?,
            Body::Memory(bytes, decoder) if bytes.len() <= INLINE_BODY => {
                self.raw(&[1])?;
                self.words(decoder)?;
                self.text(&[bytes])?;
            }
            Body::Memory(bytes, decoder) => {
                let file = self.memory_file(bytes)?;
                self.body_file(file, decoder)?;
            }
            Body::File(file, decoder) => self.body_file(file.as_raw_fd(), decoder)?,
        }
        self.text(&parcel.input)?;
        self.text(&[parcel.output])?;
        match &parcel.tail {
            Tail::None => self.raw(&[0]),
            Tail::Bytes(bytes) => {
                let file = self.memory_file(bytes)?;
                self.tail_file(file, 0, bytes.len() as u64)
            }
            Tail::File { file, offset, left } => self.tail_file(file.as_raw_fd(), *offset, *left),
        }
    }

    fn body_file(&mut self, file: RawFd, decoder: &DecoderState) -> Option<()> {
        self.raw(&[2])?;
        self.words(decoder)?;
        self.descriptor(file)
    }

    fn tail_file(&mut self, file: RawFd, offset: u64, left: u64) -> Option<()> {
        self.raw(&[1])?;
        self.words(&[offset, left])?;
        self.descriptor(file)
    }

    fn words(&mut self, words: &[u64]) -> Option<()> {
        words.iter().try_for_each(|word| self.raw(&word.to_le_bytes()))
    }

    /// Slices that follow one another, with their length before them.
    fn text(&mut self, slices: &[&[u8]]) -> Option<()> {
        let length: usize = slices.iter().map(|slice| slice.len()).sum();
        self.raw(&u32::try_from(length).ok()?.to_le_bytes())?;
        slices.iter().try_for_each(|slice| self.raw(slice))
    }

    fn raw(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.length.checked_add(bytes.len()).filter(|end| *end <= SIZE)?;
        self.buffer.get_mut(self.length..end)?.copy_from_slice(bytes);
        self.length = end;
        Some(())
    }

    fn descriptor(&mut self, descriptor: RawFd) -> Option<()> {
        *self.descriptors.get_mut(self.descriptor_count)? = descriptor;
        self.descriptor_count += 1;
        Some(())
    }

    /// Bytes in a file without a name. The kernel reads them, so bytes that cannot be read are an
    /// error and no fault.
    fn memory_file(&mut self, bytes: &[u8]) -> Option<RawFd> {
        use std::os::fd::IntoRawFd;
        let place = self.files.get_mut(self.file_count)?;
        let file = rustix::fs::memfd_create(c"tenon-moving", MemfdFlags::CLOEXEC).ok()?;
        let mut rest = bytes;
        while !rest.is_empty() {
            match rustix::io::write(&file, rest) {
                Ok(written) => rest = &rest[written..],
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return None,
            }
        }
        let file = file.into_raw_fd();
        *place = file;
        self.file_count += 1;
        Some(file)
    }
}

impl Drop for Message<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A connection that has arrived.
pub struct Arrival {
    pub socket: OwnedFd,
    pub state: State,
    /// Remote and local, if a PROXY header told them.
    pub ends: Option<[String; 2]>,
    pub head: Vec<u8>,
    pub body: ArrivedBody,
    pub input: Vec<u8>,
    pub output: Vec<u8>,
    pub tail: Option<ArrivedTail>,
}

pub enum ArrivedBody {
    None,
    Memory(Vec<u8>, DecoderState),
    File(OwnedFd, DecoderState),
}

pub struct ArrivedTail {
    pub file: OwnedFd,
    pub offset: u64,
    pub left: u64,
}

/// Takes connections out of a message. One that is not what `Message` writes ends the reading: the
/// connections that are left in it are closed with their descriptors.
pub struct Reader<'m, D> {
    bytes: &'m [u8],
    descriptors: D,
    left: usize,
}

impl<'m, D: Iterator<Item = OwnedFd>> Reader<'m, D> {
    /// `None`: not a message of this version.
    pub fn new(bytes: &'m [u8], descriptors: D) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
        let (magic, count) = header.split_first_chunk::<4>()?;
        let left = usize::from(u16::from_le_bytes([count[0], count[1]]));
        (u32::from_le_bytes(*magic) == MAGIC).then_some(Self { bytes: rest, descriptors, left })
    }

    fn read(&mut self) -> Option<Arrival> {
        let socket = self.descriptors.next()?;
        let [flags, hops] = self.array()?;
        let time_left = u32::from_le_bytes(self.array()?);
        let state = State {
            is_fresh: flags & 1 != 0,
            is_closing: flags & 2 != 0,
            has_unread_input: flags & 4 != 0,
            time_left,
            hops,
            is_operator: flags & 8 != 0,
            awaits_proxy_header: flags & 16 != 0,
        };
        let mut end = || Some(String::from_utf8_lossy(&self.text()?).into_owned());
        let ends = [end()?, end()?];
        let ends = (!ends[0].is_empty()).then_some(ends);
        let head = self.text()?;
        let body = match self.array()? {
            [0] => ArrivedBody::None,
            [1] => {
                let decoder = self.words()?;
                ArrivedBody::Memory(self.text()?, decoder)
            }
            _ => ArrivedBody::File(self.descriptors.next()?, self.words()?),
        };
        let (input, output) = (self.text()?, self.text()?);
        let tail = match self.array()? {
            [0] => None,
            _ => {
                let [offset, left] = self.words()?;
                Some(ArrivedTail { file: self.descriptors.next()?, offset, left })
            }
        };
        Some(Arrival { socket, state, ends, head, body, input, output, tail })
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = rest;
        Some(*array)
    }

    fn words<const N: usize>(&mut self) -> Option<[u64; N]> {
        let mut words = [0; N];
        for word in &mut words {
            *word = u64::from_le_bytes(self.array()?);
        }
        Some(words)
    }

    fn text(&mut self) -> Option<Vec<u8>> {
        let length = u32::from_le_bytes(self.array()?) as usize;
        let (text, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(text.to_vec())
    }
}

impl<D: Iterator<Item = OwnedFd>> Iterator for Reader<'_, D> {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        self.left = self.left.checked_sub(1)?;
        let arrival = self.read();
        if arrival.is_none() {
            self.left = 0;
        }
        arrival
    }
}
