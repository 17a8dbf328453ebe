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
  expect_identical(in_r_words("Run: pip install 'annotune[4bit]'."), "Run: at_install(extras = \"4bit\").")
  expect_identical(in_r_words("Run: pip install gt-model==0.1.0."), "Run: at_install().")
  expect_identical(in_r_words("small_sample=True widens them"), "small_sample = TRUE widens them")
  expect_identical(in_r_words("use method='auto', or crossfit()."), "use method = 'auto', or at_crossfit().")
  expect_identical(in_r_words("Give reference={'party': 'Labour'}."), "Give reference = c(party = 'Labour').")
  expect_identical(in_r_words("tidy() has all"), "tidy() has all")
  expect_null(in_r_words(NULL))
})

test_that("warnings are counted and of their class", {
  skip_if_no_python()
  expect_warning(at_corpus(c("a", NA, "")), "2 of 3 texts are empty", class = "annotune_warning")
})

test_that("a fault of annotune's own is one sentence, and its report has nothing of the data", {
  skip_if_no_python()
  withr::local_dir(withr::local_tempdir())
  fault <- expect_error(at_call("no_such_verb", codings = "Ms Smith voted Labour"), class = "annotune_fault")
  expect_false(inherits(fault, "annotune_error"))
  report <- list.files(pattern = "^annotune-fault-.*[.]txt$")
  expect_length(report, 1)
  expect_match(fault$what, "This is a fault of annotune and not of your data", fixed = TRUE)
  expect_match(fault$what, report, fixed = TRUE)
  expect_match(fault$python, "no_such_verb")
  expect_no_match(conditionMessage(fault), "no_such_verb")
  said <- paste(readLines(report), collapse = "\n")
  expect_match(said, "verb: no_such_verb\noptions: codings\n", fixed = TRUE)
  expect_match(said, "\nAttributeError$")
  expect_no_match(said, "Smith")
})

test_that("what fails between R and Python is a fault as well", {
  fault <- expect_error(abort_unexpected(simpleError("no conversion of 'Ms Smith'")), class = "annotune_fault")
  expect_no_match(conditionMessage(fault), "Smith")
  expect_match(fault$python, "Smith")
})

test_that("who loads the package is told in five lines what to do first", {
  expect_length(FIRST, 5)
  expect_true(all(nchar(FIRST) <= 80))
  verbs <- unlist(regmatches(FIRST, gregexpr("at_[a-z_]+(?=\\()", FIRST, perl = TRUE)))
  expect_setequal(verbs, c("at_install", "at_run", "at_demo", "at_tune"))
  expect_true(all(verbs %in% getNamespaceExports("annotune")))
  withr::with_options(list(rlang_interactive = TRUE), expect_message(.onAttach(), "at_install()", fixed = TRUE))
  withr::with_options(list(rlang_interactive = FALSE), expect_no_message(.onAttach()))
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
