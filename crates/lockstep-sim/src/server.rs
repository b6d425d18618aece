//! A listener that can be closed and opened again on the same port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use crate::connection::{Handler, drive};

/// What a running server can be told.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Command {
    /// Drop every connection, refuse new ones for this long, then serve again.
    Restart(Duration),
    /// Drop every connection and refuse new ones for good.
    Stop,
}

/// The way to tell it. The server stops when the last sender is gone.
pub(crate) type Commands = mpsc::UnboundedSender<Command>;

/// Serves a listener in the background.
pub(crate) fn spawn<H: Handler>(
    listener: TcpListener,
    addr: SocketAddr,
    handler: Arc<H>,
) -> Commands {
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(serve(listener, addr, handler, receiver));
    sender
}

async fn serve<H: Handler>(
    mut listener: TcpListener,
    addr: SocketAddr,
    handler: Arc<H>,
    mut commands: mpsc::UnboundedReceiver<Command>,
) {
    // Connections end when the sender of their generation is dropped.
    let (mut generation, mut alive) = watch::channel(());
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(Command::Restart(down)) => {
                    drop(listener);
                    drop(generation);
                    tokio::time::sleep(down).await;
                    listener = bind_again(addr).await;
                    (generation, alive) = watch::channel(());
                }
                Some(Command::Stop) | None => return,
            },
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Many small writes follow each other; without this they wait for acknowledgements.
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(until_gone(stream, Arc::clone(&handler), alive.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            },
        }
    }
}

async fn until_gone<H: Handler>(
    stream: TcpStream,
    handler: Arc<H>,
    mut alive: watch::Receiver<()>,
) {
    tokio::select! {
        () = drive(stream, handler) => {}
        _ = alive.changed() => {}
    }
}

/// Takes the old port again. Another program may hold it for a moment.
async fn bind_again(addr: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(addr).await {
            Ok(listener) => return listener,
            Err(error) => {
                tracing::warn!(%error, %addr, "cannot listen again yet");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}
