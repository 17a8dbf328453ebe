test_that("every kind of column comes back as it went", {
  skip_if_no_python()
  data <- tibble::tibble(
    words = c("a", NA, "NA"),
    emoji = c("\U1F600", "\u00e9", ""),
    whole = c(1L, NA, 3L),
    number = c(0.1, NA, 1e300),
    truth = c(TRUE, NA, FALSE),
    day = as.Date(c("2020-02-29", NA, "1969-12-31")),
    time = as.POSIXct(c(0.25, NA, 1e9), origin = "1970-01-01", tz = "UTC"),
    group = factor(c("z", NA, "a"), levels = c("z", "a", "never"))
  )
  expect_equal(there_and_back(data), data)
  expect_equal(there_and_back(data[1, ]), data[1, ])
  expect_equal(there_and_back(data[0, ]), data[0, ])
})

test_that("a level called NA is a level, and a missing one is missing", {
  skip_if_no_python()
  x <- factor(c("NA", NA, "b"), levels = c("NA", "b"))
  back <- there_and_back(data.frame(x = x))$x
  expect_identical(back, x)
  expect_identical(is.na(back), c(FALSE, TRUE, FALSE))
})

test_that("labelled columns arrive as their labels, in the order of the codes", {
  skip_if_no_python()
  x <- haven::labelled(c(3, 1, NA), c(three = 3, one = 1))
  expect_identical(there_and_back(data.frame(x = x))$x, factor(c("three", "one", NA), levels = c("one", "three")))
  words <- haven::labelled(c("m", "x", NA), c(male = "m"))
  expect_identical(there_and_back(tibble::tibble(words))$words, c("male", "x", NA))
})

test_that("words in another encoding arrive as the same words", {
  skip_if_no_python()
  latin <- "caf\xe9"
  Encoding(latin) <- "latin1"
  expect_identical(there_and_back(data.frame(x = latin))$x, "caf\u00e9")
})

test_that("lists of words cross, other lists are refused in one sentence", {
  skip_if_no_python()
  x <- tibble::tibble(labels = list(c("a", "b"), character(), NA, "c"))
  expect_identical(there_and_back(x)$labels, list(c("a", "b"), character(), NA_character_, "c"))
  expect_error(to_python(tibble::tibble(x = list(1, data.frame()))), "'x' holds list", class = "annotune_error")
})

test_that("identifiers are words with all their digits", {
  expect_identical(as_id(c(7, 100000, NA)), c("7", "100000", NA))
  expect_identical(as_id(c(9007199254740991, 12345678901)), c("9007199254740991", "12345678901"))
  expect_identical(as_id("1234567890123456789"), "1234567890123456789")
  expect_identical(as_id(factor("b")), "b")
  expect_error(as_id(c(1, 1234567890123456789)), "lost digits", class = "annotune_error")
  expect_error(as_id(1.5), "lost digits", class = "annotune_error")
  skip_if_not_installed("bit64")
  expect_identical(as_id(bit64::as.integer64("1234567890123456789")), "1234567890123456789")
})

test_that("whole numbers are whole in Python, and NA is None", {
  expect_identical(to_python(1000), 1000L)
  expect_identical(to_python(0.5), 0.5)
  expect_null(to_python(NA))
  expect_identical(unclass(to_python(c(25, 50))), list(25L, 50L))
  expect_identical(unclass(to_python(c("a", NA))), list("a", NULL))
})

test_that("a column twice is refused", {
  data <- data.frame(a = 1, a = 2, check.names = FALSE)
  expect_error(frame_to_python(data), "column 'a' twice", class = "annotune_error")
})

test_that("matrices come back by column", {
  skip_if_no_python()
  x <- list(.py = "array", dim = list(2L, 3L), values = as.double(1:6))
  expect_identical(from_python(x), matrix(as.double(1:6), 2))
})

test_that("the C locale changes nothing", {
  skip_if_no_python()
  skip_on_os("windows")
  withr::local_locale(c(LC_CTYPE = "C", LC_COLLATE = "C"))
  data <- tibble::tibble(x = c("\u00e9\U1F600", NA))
  expect_identical(there_and_back(data)$x, data$x)
  codings <- at_codings(data.frame(unit_id = "\u00e9", anna = "Sant\u00e9"), variable = "v", coders = "anna")
  expect_identical(codings$label, "Sant\u00e9")
})

test_that("bytes in no known encoding are refused, and the C locale reads what is not marked as UTF-8", {
  broken <- "caf\xe9"
  withr::with_locale(c(LC_CTYPE = "C"), {
    expect_identical(as_words(c("Sant\xc3\xa9", NA)), c("Sant\u00e9", NA))
    expect_error(as_words(broken), "1 of 1 texts", class = "annotune_error")
    expect_identical(as_words(character()), character())
  })
  skip_if_not(l10n_info()[["UTF-8"]])
  expect_error(as_words(c("a", broken)), "1 of 2 texts are in an unknown encoding", class = "annotune_error")
  expect_error(to_python(data.frame(x = broken)), "Column 'x'", class = "annotune_error")
  expect_error(to_python(data.frame(x = factor("a", labels = broken))), "Column 'x'", class = "annotune_error")
})

test_that("durations keep their unit, times of day and times in a zone what the clock showed", {
  skip_if_no_python()
  data <- data.frame(
    span = as.difftime(c(90, NA), units = "mins"),
    clock = structure(c(37800, NA), class = c("hms", "difftime"), units = "secs"),
    seen = as.POSIXct(c("2020-06-01 10:00:00", NA), tz = "Europe/Berlin")
  )
  back <- there_and_back(data)
  expect_identical(as.double(back$span, units = "mins"), c(90, NA))
  expect_s3_class(back$clock, "hms")
  expect_identical(as.double(back$clock), c(37800, NA))
  expect_equal(as.double(back$seen), as.double(data$seen))
})

test_that("infinite days and times are missing, and told", {
  skip_if_no_python()
  data <- data.frame(day = as.Date(c(18322, Inf), origin = "1970-01-01"))
  expect_warning(back <- there_and_back(data), "'day' has 1 infinite", class = "annotune_warning")
  expect_identical(back$day, as.Date(c("2020-03-01", NA)))
})
