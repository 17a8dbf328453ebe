test_that("what goes wrong in Python is an annotune_error with what and advice", {
  skip_if_no_python()
  codings <- at_codings(wide_codings(), variable = "vote", coders = c("anna", "ben"))
  error <- expect_error(at_resolve(codings, ties = "maybe"), class = "annotune_error")
  expect_match(error$what, "maybe")
  expect_match(error$advice, "'drop', 'first'")
  expect_identical(as.character(error$call[[1]]), "at_resolve")
})

test_that("braces in labels and paths are no templates", {
  expect_error(abort("The label '{1 + 1}' is odd.", "Use {braces} elsewhere."), "{1 + 1}", fixed = TRUE)
  expect_warning(warn("{nothing} here"), "{nothing} here", fixed = TRUE, class = "annotune_warning")
})

test_that("Python's words for verbs and arguments become R's", {
  expect_identical(in_r_words("Make them one with resolve()."), "Make them one with at_resolve().")
  expect_identical(in_r_words("Give a path, or use read_codings."), "Give a path, or use at_codings.")
  expect_identical(in_r_words("Name it with unit_id=."), "Name it with `unit_id`.")
  expect_null(in_r_words(NULL))
})

test_that("warnings are counted and of their class", {
  skip_if_no_python()
  expect_warning(at_corpus(c("a", NA, "")), "2 of 3 texts are empty", class = "annotune_warning")
})

test_that("what nobody foresaw is still one sentence, and points to the whole story", {
  skip_if_no_python()
  expect_error(at_call("no_such_verb"), "py_last_error", class = "annotune_python_error")
})

test_that("progress reaches R from Python while it works", {
  skip_if_no_python(tuning = TRUE)
  seen <- list()
  local_mocked_bindings_here(function(what, done, total) seen[[length(seen) + 1]] <<- list(what, done, total))
  predict(quick_model(), coded_texts())
  expect_true(length(seen) > 0)
  last <- seen[[length(seen)]]
  expect_identical(last[[2]], last[[3]])
})

test_that("an interrupt in Python is an interrupt in R", {
  skip_if_no_python()
  expect_condition(
    tryCatch(stop_interrupted(), interrupt = function(condition) rlang::signal("stopped", "was_interrupted")),
    class = "was_interrupted"
  )
  expect_message(tryCatch(stop_interrupted(5), interrupt = function(condition) NULL), "5 coded texts are kept")
})

test_that("a bar is drawn for each step, whatever the step is called", {
  withr::local_options(annotune.progress = TRUE, cli.progress_show_after = 0, cli.dynamic = TRUE, cli.ansi = FALSE)
  drawn <- utils::capture.output(
    {
      listener <- progress_listener()
      listener$report("Coding {topic}", 10L, 100L)
      Sys.sleep(0.5)
      listener$report("Coding {topic}", 90L, 100L)
      listener$report("Testing", 1L, 2L)
      listener$done()
    },
    type = "message"
  )
  expect_match(paste(drawn, collapse = ""), "Coding {topic}", fixed = TRUE)
  withr::local_options(annotune.progress = FALSE)
  expect_null(progress_listener()$report)
})

test_that("a part of Python that cannot be loaded is no bug of the verb", {
  expect_true(is_broken_part("ImportError: libtorch_cpu.so: cannot open shared object file"))
  expect_true(is_broken_part("OSError: [WinError 126] Error loading \"c10.dll\" or one of its dependencies."))
  expect_false(is_broken_part("OSError: [Errno 28] No space left on device"))
  expect_error(
    abort_unexpected(simpleError("ModuleNotFoundError: No module named 'torch'")), "at_install",
    class = "annotune_no_python"
  )
})
