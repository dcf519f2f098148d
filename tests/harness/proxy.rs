//! A way to the server on which answers to COMMIT get lost.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What becomes of an answer that is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The connection is cut when the server has answered.
    Cut,
    /// Nothing more comes over the connection, which stays open.
    Silence,
    /// Not even the server hears of the COMMIT: it sees the connection end, the client sees it stay open.
    Unsent,
}

/// Passes bytes on, both ways.
pub struct Proxy {
    port: u16,
    lost: Arc<AtomicUsize>,
    closed: Arc<AtomicBool>,
}

impl Proxy {
    /// To a server on that port; of the answers to COMMIT every `nth` gets lost, `most` of them at most.
    pub fn start(server: u16, nth: usize, most: usize, loss: Loss) -> Self {
        Self::after(b" COMMIT;", server, nth, most, loss)
    }

    /// The same where every COMMIT counts, that of the ledger before the first row too.
    pub fn from_the_first(server: u16, most: usize, loss: Loss) -> Self {
        Self::after(b"COMMIT", server, 1, most, loss)
    }

    fn after(asked_by: &'static [u8], server: u16, nth: usize, most: usize, loss: Loss) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let (seen, lost) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let losses = lost.clone();
        let closed = Arc::new(AtomicBool::new(false));
        let shut = closed.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shut.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                let (mut back, mut to) =
                    (server.try_clone().expect("a socket"), client.try_clone().expect("a socket"));
                let committing = Arc::new(AtomicUsize::new(0));
                let (asked, unsent) = (committing.clone(), (seen.clone(), lost.clone()));
                let (mut client, mut server) = (client, server);
                std::thread::spawn(move || {
                    let mut piece = [0; 65536];
                    while let Ok(count @ 1..) = client.read(&mut piece) {
                        if piece[..count].windows(asked_by.len()).any(|bytes| bytes == asked_by) {
                            asked.store(1, Ordering::SeqCst);
                            let due = || (unsent.0.load(Ordering::SeqCst) + 1).is_multiple_of(nth);
                            if loss == Loss::Unsent && unsent.1.load(Ordering::SeqCst) < most && due() {
                                unsent.0.fetch_add(1, Ordering::SeqCst);
                                asked.store(2, Ordering::SeqCst);
                                let _ = server.shutdown(Shutdown::Both);
                                unsent.1.fetch_add(1, Ordering::SeqCst);
                                while let Ok(1..) = client.read(&mut piece) {}
                                return;
                            }
                        }
                        if server.write_all(&piece[..count]).is_err() {
                            break;
                        }
                    }
                    let _ = server.shutdown(Shutdown::Write);
                });
                let (seen, lost) = (seen.clone(), lost.clone());
                std::thread::spawn(move || {
                    let mut piece = [0; 65536];
                    while let Ok(count @ 1..) = back.read(&mut piece) {
                        let answers = piece[..count].windows(7).any(|bytes| bytes == b"COMMIT\0");
                        if answers && committing.swap(0, Ordering::SeqCst) == 1 {
                            let turn = seen.fetch_add(1, Ordering::SeqCst) + 1;
                            if turn.is_multiple_of(nth) && lost.load(Ordering::SeqCst) < most {
                                lost.fetch_add(1, Ordering::SeqCst);
                                match loss {
                                    Loss::Cut => break,
                                    // Until the client has had enough of it.
                                    Loss::Silence | Loss::Unsent => {
                                        while let Ok(1..) = back.read(&mut piece) {}
                                    }
                                }
                                return;
                            }
                        }
                        if to.write_all(&piece[..count]).is_err() {
                            break;
                        }
                    }
                    if committing.load(Ordering::SeqCst) == 2 {
                        return;
                    }
                    let _ = to.shutdown(Shutdown::Both);
                    let _ = back.shutdown(Shutdown::Both);
                });
            }
        });
        Self { port, lost: losses, closed }
    }

    /// The DSN that goes through it instead of to that port.
    pub fn dsn(&self, dsn: &str, server: u16) -> String {
        let through = dsn.replace(&format!(":{server}/"), &format!(":{}/", self.port));
        assert_ne!(through, dsn, "the port of the server is in it");
        through
    }

    /// From now on nobody gets through any more who is not there already.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// How many answers were lost.
    pub fn lost(&self) -> usize {
        self.lost.load(Ordering::SeqCst)
    }
}
