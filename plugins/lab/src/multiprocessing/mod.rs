//! What the course uses of Python's `multiprocessing`, with the system calls themselves: a process as
//! an object, a pool of processes, a queue between processes.

mod pool;
mod process;
mod queue;

pub use pool::{Pool, PoolError, Promise};
pub use process::{Process, Target};
pub use queue::{Empty, Full, Queue};
