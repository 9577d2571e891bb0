//! What every function's main needs: environment, logging, the rim.
