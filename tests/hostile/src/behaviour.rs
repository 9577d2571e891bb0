//! What a receiver does on one connection.

use std::io::{self, Write};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{INSIDE, Kind, Tally, tls};

/// The pause between two bytes of a trickle.
const PAUSE: Duration = Duration::from_millis(20);

/// How large the huge body is, in bytes.
const HUGE: u64 = 1 << 30;

/// What the gzip bomb is made of: so many members, each so many bytes unpacked (RFC 1952, 2.2: a file is one member
/// after the other).
pub(crate) const MEMBERS: u64 = 1024;
pub(crate) const MEMBER: u64 = 1 << 20;

/// The most of a request's head that is read, in bytes.
const LONGEST_HEAD: usize = 64 * 1024;

/// What is written again and again.
static CHUNK: [u8; 64 * 1024] = [b'.'; 64 * 1024];

pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    pub(crate) tally: Arc<Tally>,
    pub(crate) url: String,
    pub(crate) unread: BytesMut,
}

impl Connection {
    /// Misbehaves until the other side hangs up.
    pub(crate) async fn misbehave(mut self, kind: Kind) -> io::Result<()> {
        // Or else every answer in two parts waits for the other side's system to acknowledge the first.
        self.stream.set_nodelay(true)?;
        match kind {
            Kind::Refused | Kind::Unresolvable => Ok(()),
            Kind::ResetAfterAccept => {
                self.stream.read_u8().await?;
                self.stream.set_zero_linger()
            }
            Kind::ResetMidBody => {
                self.request().await?;
                self.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await?;
                self.write(&CHUNK[..100]).await?;
                self.stream.set_zero_linger()
            }
            Kind::SelfSigned => tls::shake_hands(&mut self.stream).await,
            Kind::Garbage => {
                self.stream.read_u8().await?;
                self.write(b"220 mail.example ESMTP ready\r\n").await?;
                self.until_it_hangs_up().await
            }
            Kind::Silent => self.until_it_hangs_up().await,
            Kind::Trickle => {
                self.request().await?;
                self.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").await?;
                self.trickle().await
            }
            Kind::Huge => {
                self.request().await?;
                self.write(format!("HTTP/1.1 200 OK\r\ncontent-length: {HUGE}\r\n\r\n").as_bytes()).await?;
                for _ in 0..HUGE / CHUNK.len() as u64 {
                    self.write(&CHUNK).await?;
                }
                Ok(())
            }
            Kind::ServerError => self.answer_all("500 Internal Server Error", "", b"it broke").await,
            Kind::TooManyRequests => {
                self.answer_all("429 Too Many Requests", "retry-after: 120\r\n", b"slow down").await
            }
            Kind::RedirectLoop => {
                let location = format!("location: {}\r\n", self.url);
                self.answer_all("302 Found", &location, b"").await
            }
            Kind::RedirectInside => {
                self.answer_all("307 Temporary Redirect", &format!("location: {INSIDE}\r\n"), b"").await
            }
            Kind::GzipBomb => self.answer_all("200 OK", "content-encoding: gzip\r\n", &bomb()?).await,
            Kind::EndlessHeaders => {
                self.request().await?;
                self.write(b"HTTP/1.1 200 OK\r\n").await?;
                self.repeat(&[b"x-more: ", &CHUNK[..1000], b"\r\n"].concat()).await
            }
            Kind::Continues => {
                self.request().await?;
                self.repeat(&b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1000)).await
            }
            Kind::SlowHeaders => {
                self.request().await?;
                self.write(b"HTTP/1.1 200 OK\r\nx-slow: ").await?;
                self.trickle().await
            }
            Kind::Gibberish => {
                self.request().await?;
                self.write(b"<html>Hello.</html>\n").await?;
                self.stream.shutdown().await
            }
        }
    }

    /// Reads one request, head and body; an error at the end of the stream.
    async fn request(&mut self) -> io::Result<()> {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if self.unread.len() > LONGEST_HEAD || self.stream.read_buf(&mut self.unread).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let head = String::from_utf8_lossy(&self.unread.split_to(end)).into_owned();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        self.tally.heads.lock().unwrap_or_else(PoisonError::into_inner).push(head);
        let mut left: usize = length.unwrap_or(0);
        loop {
            let taken = left.min(self.unread.len());
            self.unread.advance(taken);
            left -= taken;
            if left == 0 {
                return Ok(());
            }
            if self.stream.read_buf(&mut self.unread).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The same answer to every request.
    async fn answer_all(&mut self, status: &str, headers: &str, body: &[u8]) -> io::Result<()> {
        let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len());
        let answer = [head.as_bytes(), body].concat();
        loop {
            self.request().await?;
            self.write(&answer).await?;
        }
    }

    async fn trickle(&mut self) -> io::Result<()> {
        loop {
            self.write(b".").await?;
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn repeat(&mut self, bytes: &[u8]) -> io::Result<()> {
        loop {
            self.write(bytes).await?;
        }
    }

    async fn until_it_hangs_up(&mut self) -> io::Result<()> {
        while self.stream.read(&mut [0; 1024]).await? > 0 {}
        Ok(())
    }

    async fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let taken = self.stream.write(bytes).await?;
            self.tally.written.fetch_add(taken as u64, Ordering::Relaxed);
            bytes = &bytes[taken..];
        }
        Ok(())
    }
}

fn bomb() -> io::Result<Bytes> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..MEMBER / 4096 {
        packer.write_all(&[0; 4096])?;
    }
    let member = packer.finish()?;
    Ok(std::iter::repeat_n(member, MEMBERS as usize).flatten().collect())
}
