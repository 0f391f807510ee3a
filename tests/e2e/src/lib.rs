//! The whole of Slipway over simulated hosts and a simulated cluster: demo, end-to-end tests, crash matrix.
