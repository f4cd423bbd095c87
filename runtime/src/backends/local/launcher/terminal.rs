//! A terminal inside a machine, and the relay between it and the launcher's own input and output.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;

use rustix::termios::Winsize;

use super::wait_for;

/// Opens a new terminal of the machine: the end that is relayed, and the end that the program gets.
pub(super) fn open((columns, rows): (u16, u16)) -> io::Result<(OwnedFd, OwnedFd)> {
    // The machine may have put anything at this place: what is opened must be the device.
    let master = File::options()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK | libc::O_NOFOLLOW)
        .open("/dev/pts/ptmx")?;
    let found = master.metadata()?;
    if !found.file_type().is_char_device() || found.rdev() != libc::makedev(5, 2) {
        return Err(io::Error::other(
            "/dev/pts/ptmx on the machine is not a terminal device",
        ));
    }
    let unlocked: libc::c_int = 0;
    // SAFETY: reads one number, which lives through the call.
    if unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlocked) } < 0 {
        return Err(io::Error::last_os_error());
    }
    rustix::termios::tcsetwinsize(
        &master,
        Winsize {
            ws_col: columns,
            ws_row: rows,
            ws_xpixel: 0,
            ws_ypixel: 0,
        },
    )?;
    // SAFETY: takes flags, gives a new descriptor that nobody else owns.
    let slave = unsafe {
        libc::ioctl(
            master.as_raw_fd(),
            libc::TIOCGPTPEER,
            libc::O_RDWR | libc::O_NOCTTY,
        )
    };
    if slave < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: as above.
    Ok((master.into(), unsafe { OwnedFd::from_raw_fd(slave) }))
}

/// Relays until the program ends or the controller is gone.
pub(super) fn relay(master: &OwnedFd, program: &OwnedFd, line: &UnixStream) {
    let Ok(copy) = master.try_clone() else { return };
    let mut terminal = File::from(copy);
    let (mut input, mut output) = (io::stdin(), io::stdout());
    let mut listening = true;
    let mut buffer = [0; 16384];
    loop {
        let nobody: &dyn AsFd = line;
        let typed: &dyn AsFd = if listening { &input } else { nobody };
        let Ok([shown, keys, ended, broken]) = wait_for([&terminal, typed, program, line], None) else {
            return;
        };
        if shown {
            match terminal.read(&mut buffer) {
                Ok(length) if length > 0 => {
                    if output
                        .write_all(&buffer[..length])
                        .and_then(|()| output.flush())
                        .is_err()
                    {
                        return;
                    }
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // EIO: nobody has the terminal open any more.
                Ok(_) | Err(_) => {
                    let _ = wait_for([program, line], Some(60_000));
                    return;
                }
            }
        }
        if ended || broken {
            return;
        }
        if keys && listening {
            match input.read(&mut buffer) {
                Ok(length) if length > 0 => {
                    if write_slowly(&mut terminal, &buffer[..length]).is_err() {
                        return;
                    }
                }
                // The controller closed its end: for the program that is the key for the end of input.
                Ok(_) | Err(_) => {
                    listening = false;
                    let _ = write_slowly(&mut terminal, &[4]);
                }
            }
        }
    }
}

/// A terminal takes no more than its program reads.
fn write_slowly(terminal: &mut File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match terminal.write(bytes) {
            Ok(length) => bytes = &bytes[length..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
