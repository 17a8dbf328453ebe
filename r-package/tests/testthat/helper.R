# Live tests need a Python with annotune; the rest of the package must do without.
skip_if_no_python <- function(tuning = FALSE) {
  skip_if_not(at_available(tuning), "no Python with annotune here (see at_status())")
}

there_and_back <- function(x) {
  half <- python_half()
  from_python(half$pack(half$unpack(to_python(x))))
}

wide_codings <- function() {
  data.frame(unit_id = 1:4, anna = c("yes", "no", "no", "yes"), ben = c("yes", "no", "yes", NA))
}

# Forty texts of two topics, which any model tells apart.
coded_texts <- function() {
  said <- c("The hospital needs nurses.", "Income taxes rise.", "A new clinic opens.", "The bank fails.")
  data.frame(
    id = sprintf("9007199254740%04d", 1:40), question = paste(rep(said, 10), 1:40),
    topic = factor(rep(c("Health", "Economy"), 20), levels = c("Health", "Economy")), district = rep(1:8, each = 5)
  )
}

# One quick model for all tests that need one.
shared <- new.env()
quick_model <- function() {
  if (is.null(shared$model)) {
    shared$model <- at_tune(
      topic ~ question, coded_texts(),
      unit_id = "id", method = "probe", folds = 2, n_boot = 100
    )
  }
  shared$model
}

# Progress as the test sees it: the listener of at_call(), for the length of one test.
local_mocked_bindings_here <- function(report, env = parent.frame()) {
  space <- asNamespace("annotune")
  before <- get("progress_listener", space)
  put <- function(value) {
    unlock <- get("unlockBinding", baseenv())
    unlock("progress_listener", space)
    assign("progress_listener", value, envir = space)
  }
  put(function() list(report = report, done = function() NULL))
  withr::defer(put(before), envir = env)
}
