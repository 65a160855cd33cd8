//! A TCP proxy in front of a real PostgreSQL that understands the frontend's messages just well enough to count them:
//! it can cut, stall, swallow and slow down what passes, and do something exactly before or after the n-th message.
//!
//! It never changes a byte and never answers itself: what it cannot pass on is held or thrown away.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::victim::Aim;

/// How often a thread that waits for bytes looks up.
const LOOK: Duration = Duration::from_millis(20);
/// How long the server's reply to a message is waited for before the line is cut without it.
const REPLY: Duration = Duration::from_secs(10);

/// One message that the program sent, before it is passed on.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its number among all messages of all lines since the last [`Proxy::watch`], from 0.
    pub number: usize,
    /// Which line it came on, in the order in which they were opened.
    pub line: usize,
    /// Its type: `Q`, `P`, `X`...; `s` for what opens a line.
    pub kind: u8,
    /// Its text, where it is a query; else what is printable of it.
    pub text: String,
}

impl Message {
    /// A simple query of exactly this text.
    pub fn is_query(&self, sql: &str) -> bool {
        self.kind == b'Q' && self.text == sql
    }
}

/// What happens to a message.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// It is passed on.
    Pass,
    /// The line is cut before it: the server never sees it.
    CutBefore,
    /// It is passed on, the server's reply is read and thrown away, and the line is cut.
    CutAfterReply,
    /// It is passed on, and the line is cut at once: who is first, the server or the end, nobody knows.
    CutAfter,
    /// The program is killed, and the server never sees it.
    KillBefore(Aim),
    /// It is passed on, and the program is killed before it can read the reply.
    KillAfter(Aim),
    /// It is passed on, and the program is frozen before it can act on the reply.
    FreezeAfter(Aim),
}

/// How the bytes of all lines, the present and the coming, pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mood {
    /// As they come.
    Pass,
    /// Not at all, neither way: they are held back, and new lines are accepted and held.
    Stall,
    /// What the program sends disappears; what the server sends passes.
    DeafServer,
    /// What the server sends disappears; what the program sends passes.
    DeafProgram,
    /// Byte by byte, one a millisecond.
    Slow,
}

type Judge = Box<dyn FnMut(&Message) -> Verdict + Send>;

struct Shared {
    server: SocketAddr,
    mood: AtomicU8,
    over: AtomicBool,
    judge: Mutex<Judge>,
    seen: Mutex<Vec<Message>>,
    lines: Mutex<Vec<Line>>,
    opened: AtomicUsize,
}

/// A line's number and its two ends.
type Line = (usize, TcpStream, TcpStream);

/// The proxy. It ends with its value.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Listens on a free loopback port for a server on 127.0.0.1.
    pub fn new(server_port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared {
            server: SocketAddr::from(([127, 0, 0, 1], server_port)),
            mood: AtomicU8::new(Mood::Pass as u8),
            over: AtomicBool::new(false),
            judge: Mutex::new(Box::new(|_| Verdict::Pass)),
            seen: Mutex::new(Vec::new()),
            lines: Mutex::new(Vec::new()),
            opened: AtomicUsize::new(0),
        });
        let worker = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, &worker));
        Self { port, shared }
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on messages are counted from 0 and shown to this judge.
    pub fn watch(&self, judge: impl FnMut(&Message) -> Verdict + Send + 'static) {
        let mut place = lock(&self.shared.judge);
        *place = Box::new(judge);
        lock(&self.shared.seen).clear();
    }

    /// All messages since [`Self::watch`].
    pub fn seen(&self) -> Vec<Message> {
        lock(&self.shared.seen).clone()
    }

    /// How bytes pass from now on.
    pub fn mood(&self, mood: Mood) {
        self.shared.mood.store(mood as u8, Ordering::SeqCst);
    }

    /// Cuts all lines, both ways.
    pub fn cut(&self) {
        for (_, program, server) in lock(&self.shared.lines).drain(..) {
            end(&program);
            end(&server);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.cut();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn end(stream: &TcpStream) {
    // An end that is gone already needs no ending.
    let _ = stream.shutdown(Shutdown::Both);
}

impl Shared {
    fn mood(&self) -> Mood {
        match self.mood.load(Ordering::SeqCst) {
            0 => Mood::Pass,
            1 => Mood::Stall,
            2 => Mood::DeafServer,
            3 => Mood::DeafProgram,
            _ => Mood::Slow,
        }
    }

    /// Waits while nothing passes.
    fn hold(&self) {
        while self.mood() == Mood::Stall && !self.over.load(Ordering::SeqCst) {
            std::thread::sleep(LOOK);
        }
    }

    /// Counts a message, and asks what happens to it. One judge for all lines: the numbers are one order.
    fn judge(&self, line: usize, kind: u8, body: &[u8]) -> Verdict {
        let mut judge = lock(&self.judge);
        let text = body.iter().map(|byte| if *byte == 0 { ' ' } else { char::from(*byte) }).collect::<String>();
        let mut seen = lock(&self.seen);
        let message = Message { number: seen.len(), line, kind, text: text.trim_end().to_owned() };
        seen.push(message.clone());
        drop(seen);
        judge(&message)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for program in listener.incoming() {
        if shared.over.load(Ordering::SeqCst) {
            return;
        }
        let Ok(program) = program else { continue };
        let shared = Arc::clone(shared);
        std::thread::spawn(move || open(program, &shared));
    }
}

/// One line: two threads, one for each way.
fn open(program: TcpStream, shared: &Arc<Shared>) {
    shared.hold();
    let Ok(server) = TcpStream::connect_timeout(&shared.server, REPLY) else {
        end(&program);
        return;
    };
    for stream in [&program, &server] {
        let set = stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(LOOK)));
        if set.is_err() {
            return;
        }
    }
    let Ok(copies) = program.try_clone().and_then(|program| Ok((program, server.try_clone()?))) else { return };
    let Ok(kept) = program.try_clone().and_then(|program| Ok((program, server.try_clone()?))) else { return };
    let line = shared.opened.fetch_add(1, Ordering::SeqCst);
    lock(&shared.lines).push((line, kept.0, kept.1));
    let mute = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicBool::new(false));
    let back = Answers { mute: Arc::clone(&mute), answered: Arc::clone(&answered), shared: Arc::clone(shared) };
    std::thread::spawn(move || back.pump(copies.1, copies.0));
    questions(program, server, line, shared, &mute, &answered);
    lock(&shared.lines).retain(|(number, _, _)| *number != line);
}

/// Reads what is there; `None`: the end.
fn read(stream: &mut TcpStream, bytes: &mut [u8]) -> Option<usize> {
    match stream.read(bytes) {
        Ok(0) => None,
        Ok(count) => Some(count),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {
            Some(0)
        }
        Err(_) => None,
    }
}

/// From the program to the server, message by message.
fn questions(
    mut program: TcpStream,
    mut server: TcpStream,
    line: usize,
    shared: &Shared,
    mute: &AtomicBool,
    answered: &AtomicBool,
) {
    let mut waiting: Vec<u8> = Vec::new();
    let mut chunk = vec![0; 16_384];
    let mut opening = true;
    loop {
        if shared.over.load(Ordering::SeqCst) {
            break;
        }
        let Some(count) = read(&mut program, &mut chunk) else { break };
        shared.hold();
        if shared.mood() == Mood::DeafServer {
            continue;
        }
        waiting.extend_from_slice(&chunk[..count]);
        let mut gone = false;
        while let Some(length) = whole(&waiting, opening) {
            let message: Vec<u8> = waiting.drain(..length).collect();
            let (kind, body) = if opening { (b's', &message[8..]) } else { (message[0], &message[5..]) };
            // Only a request for encryption is followed by another opening.
            opening = opening && message[4..8] == 80_877_103_i32.to_be_bytes();
            let verdict = shared.judge(line, kind, body);
            // Signals come before the message passes: nobody can act on a reply that is not yet asked for.
            match &verdict {
                Verdict::KillBefore(aim) | Verdict::KillAfter(aim) => {
                    aim.kill();
                }
                Verdict::FreezeAfter(aim) => {
                    aim.send(Signal::STOP);
                }
                Verdict::Pass | Verdict::CutBefore | Verdict::CutAfterReply | Verdict::CutAfter => {}
            }
            if matches!(verdict, Verdict::CutBefore | Verdict::KillBefore(_)) {
                end(&program);
                end(&server);
                return;
            }
            mute.store(matches!(verdict, Verdict::CutAfterReply), Ordering::SeqCst);
            answered.store(false, Ordering::SeqCst);
            if send(&mut server, &message, shared).is_err() {
                end(&program);
                return;
            }
            match verdict {
                Verdict::Pass | Verdict::FreezeAfter(_) | Verdict::CutBefore | Verdict::KillBefore(_) => continue,
                Verdict::KillAfter(_) => {
                    gone = true;
                    break;
                }
                Verdict::CutAfterReply => wait_for(answered),
                Verdict::CutAfter => {}
            }
            end(&program);
            end(&server);
            return;
        }
        if gone {
            break;
        }
    }
    // The program closed its end: the server is told, and may still answer what it was asked.
    let _ = server.shutdown(Shutdown::Write);
}

/// Waits until the server has answered the last message.
fn wait_for(answered: &AtomicBool) {
    let started = Instant::now();
    while !answered.load(Ordering::SeqCst) && started.elapsed() < REPLY {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The length of the first message, when all of it is there.
fn whole(bytes: &[u8], opening: bool) -> Option<usize> {
    let head = usize::from(!opening);
    let length = bytes.get(head..head + 4)?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    let total = head + usize::try_from(length).ok()?;
    (bytes.len() >= total).then_some(total)
}

fn send(stream: &mut TcpStream, bytes: &[u8], shared: &Shared) -> std::io::Result<()> {
    if shared.mood() != Mood::Slow {
        return stream.write_all(bytes);
    }
    for byte in bytes {
        stream.write_all(&[*byte])?;
        if shared.mood() == Mood::Slow {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(())
}

/// From the server to the program, as it comes.
struct Answers {
    mute: Arc<AtomicBool>,
    answered: Arc<AtomicBool>,
    shared: Arc<Shared>,
}

impl Answers {
    fn pump(self, mut server: TcpStream, mut program: TcpStream) {
        let mut chunk = vec![0; 16_384];
        loop {
            if self.shared.over.load(Ordering::SeqCst) {
                break;
            }
            let Some(count) = read(&mut server, &mut chunk) else { break };
            self.shared.hold();
            if count == 0 {
                continue;
            }
            if self.mute.load(Ordering::SeqCst) {
                // ReadyForQuery is the last message of every answer: Z, its length, the state.
                let ready = count >= 6 && chunk[count - 6] == b'Z';
                self.answered.store(ready, Ordering::SeqCst);
                continue;
            }
            if self.shared.mood() == Mood::DeafProgram {
                continue;
            }
            if send(&mut program, &chunk[..count], &self.shared).is_err() {
                break;
            }
        }
        let _ = program.shutdown(Shutdown::Write);
    }
}
