"""The reverse proxy: HTTP servers, the upstream behind them, and tasks that are kept alive."""
