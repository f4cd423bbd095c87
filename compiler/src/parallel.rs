//! The same work on many things, on all processors. What comes out does not hang on how many there are.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Fewer than this are not worth a thread.
const WORTH: usize = 8;
/// Specs nest, and what reads them may need as much of a stack as the main thread has.
const STACK: usize = 8 << 20;

/// What `work` makes of each of `inputs`, in their order.
pub(crate) fn each<T: Sync, R: Send>(inputs: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.min(inputs.len() / WORTH);
    if threads < 2 {
        return inputs.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let all = Mutex::new(Vec::with_capacity(inputs.len()));
    let take = || {
        let mut own = Vec::new();
        while let Some((at, input)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            inputs.get(at).map(|input| (at, input))
        } {
            own.push((at, work(input)));
        }
        // Nobody panics while it is held.
        if let Ok(mut all) = all.lock() {
            all.append(&mut own);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            // Where there is no thread to be had, this one does all of it.
            let started = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, take);
            if started.is_err() {
                break;
            }
        }
        take();
    });
    let mut all = all.into_inner().unwrap_or_default();
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, made)| made).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_order_is_that_of_the_inputs() {
        let inputs: Vec<usize> = (0..1000).collect();
        let doubled = super::each(&inputs, |n| n * 2);
        assert!(doubled.iter().enumerate().all(|(at, n)| *n == at * 2));
    }
}
