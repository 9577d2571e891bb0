//! What routes are put into. A start builds the router and nothing of the document; the document is built by the tests that
//! keep it, and where nobody asks for it the linker leaves out all that it says (schemas, descriptions, examples).

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use utoipa::Path;
use utoipa_axum::PathItemExt as _;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::state::Shared;

/// The router, or the document.
pub(crate) trait Routes: Sized {
    /// Puts a handler in. `P` is what `utoipa::path` made of it: its path and its methods; `said` is all that the document says.
    fn put<P, H, T>(self, handler: H, said: impl FnOnce() -> UtoipaMethodRouter<Shared>) -> Self
    where
        P: Path,
        H: Handler<T, Shared>,
        T: 'static;
}

impl Routes for Router<Shared> {
    fn put<P, H, T>(self, handler: H, _: impl FnOnce() -> UtoipaMethodRouter<Shared>) -> Self
    where
        P: Path,
        H: Handler<T, Shared>,
        T: 'static,
    {
        let methods = P::methods().into_iter().map(|method| method.to_method_filter()).reduce(MethodFilter::or);
        let handlers = methods.map_or_else(MethodRouter::new, |methods| on(methods, handler));
        self.route(&P::path(), handlers)
    }
}

impl Routes for OpenApiRouter<Shared> {
    fn put<P, H, T>(self, _: H, said: impl FnOnce() -> UtoipaMethodRouter<Shared>) -> Self
    where
        P: Path,
        H: Handler<T, Shared>,
        T: 'static,
    {
        self.routes(said())
    }
}

/// Puts handlers into routes: `put!(routes; list_users, create_user)`.
macro_rules! put {
    ($routes:expr; $($handler:ident),+ $(,)?) => {
        pastey::paste! {{
            let routes = $routes;
            $(let routes = routes.put::<[<__path_ $handler>], _, _>($handler, || utoipa_axum::routes!($handler));)+
            routes
        }}
    };
}

pub(crate) use put;
