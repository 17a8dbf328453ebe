# One sentence of what is wrong, one of what to do. The sentences come as values, never as templates: a label or a
# path may hold braces.
abort <- function(what, advice = NULL, ..., class = NULL) {
  what <- in_r_words(what)
  advice <- in_r_words(advice)
  bullets <- c(x = "{what}", i = if (length(advice) && nzchar(advice)) "{advice}")
  cli::cli_abort(bullets, class = c(class, "annotune_error"), what = what, advice = advice, call = the_verb(), ...)
}

# The verb that the user called, however deep the fault was found.
the_verb <- function() {
  ours <- Filter(function(frame) identical(topenv(frame), topenv()), sys.frames())
  if (length(ours)) ours[[1]] else rlang::caller_env()
}

warn <- function(message) {
  message <- in_r_words(message)
  cli::cli_warn("{message}", class = "annotune_warning")
}

# What Python's sentences call `read_codings()` or `variable=` is `at_codings()` and `variable` here.
in_r_words <- function(text) {
  if (is.null(text)) {
    return(NULL)
  }
  text <- gsub("\\bread_(codebook|corpus|codings)\\b", "at_\\1", text)
  text <- gsub("\\bClassifier\\.(save|classify)\\b", "at_\\1()", text)
  text <- gsub("pip install '(?:annotune|\\.)\\[(\\w+)\\]'", "at_install(extras = \"\\1\")", text, perl = TRUE)
  text <- gsub("pip install [A-Za-z][\\w.=-]*\\w", "at_install()", text, perl = TRUE)
  verbs <- paste(sub("^at_", "", grep("^at_", getNamespaceExports("annotune"), value = TRUE)), collapse = "|")
  text <- gsub(sprintf("(?<![\\w.])(%s)\\(\\)", verbs), "at_\\1()", text, perl = TRUE)
  text <- gsub("\\b([a-z_]+)=True\\b", "\\1 = TRUE", gsub("\\b([a-z_]+)=False\\b", "\\1 = FALSE", text))
  text <- gsub("\\b([a-z_]+)=\\{'(\\w+)': ('[^']*')\\}", "\\1 = c(\\2 = \\3)", text, perl = TRUE)
  text <- gsub("\\b([a-z_]+)=(?=['\"0-9])", "\\1 = ", text, perl = TRUE)
  gsub("\\b([a-z_]+)=(?=[ ,.:;)]|$)", "`\\1`", text, perl = TRUE)
}

# What Python had coded is kept there, and the next call goes on from it.
stop_interrupted <- function(kept = 0) {
  if (kept > 0) cli::cli_inform(c(i = "{kept} coded texts are kept: the same call goes on from there."))
  rlang::interrupt()
}

abort_unexpected <- function(error) {
  if (inherits(error, "annotune_error")) stop(error)
  if (grepl("KeyboardInterrupt", conditionMessage(error), fixed = TRUE)) stop_interrupted()
  said <- utils::head(strsplit(conditionMessage(error), "\n")[[1]], 1)
  if (is_broken_part(said)) {
    abort(
      paste("A part of annotune's Python cannot be loaded:", said),
      "See which with at_status(), set it up with at_install(), and start R anew.",
      class = "annotune_no_python"
    )
  }
  abort_fault("This is a fault of annotune and not of your data.", conditionMessage(error))
}

# A fault of annotune's own, in Python's words. What Python said in full can hold texts and labels: it stays in the
# condition, in this session, and is printed nowhere.
abort_fault <- function(what, python) {
  look <- "What Python said, with any texts and labels in it, is shown by cat(rlang::last_error()$python)."
  cli::cli_abort(
    c(x = "{what}", i = "{look}"),
    class = "annotune_fault", what = what, python = python, call = the_verb()
  )
}

# A package that is not there, or one (torch, mostly) whose own libraries are not.
is_broken_part <- function(said) {
  grepl("^(ImportError|ModuleNotFoundError)", said) || grepl("^OSError.*\\.(so|dll|dylib)\\b", said)
}

# Progress, which Python reports now and then: a bar per step, gone when the verb ends.
progress_listener <- function() {
  shown <- new.env() # in which cli evaluates its format
  done <- function() {
    if (!is.null(shown$bar)) cli::cli_progress_done(id = shown$bar, .envir = shown)
    shown$bar <- NULL
  }
  if (!show_progress()) {
    return(list(report = NULL, done = done))
  }
  report <- function(what, done_so_far, total) {
    if (!identical(shown$what, what)) {
      done()
      shown$what <- what
      shown$bar <- cli::cli_progress_bar(
        name = what, total = total, clear = TRUE, auto_terminate = FALSE, .envir = shown
      )
    }
    cli::cli_progress_update(set = done_so_far, id = shown$bar, .envir = shown)
    NULL
  }
  list(report = report, done = done)
}

show_progress <- function() isTRUE(getOption("annotune.progress", rlang::is_interactive()))
